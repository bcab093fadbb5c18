//! The claims that decide (RFC 7519 §4.1, RFC 9068 §2.2): read once, and each of the type that it must have.

use alloc::{borrow::Cow, boxed::Box, vec, vec::Vec};

use super::{
    ClaimFault, Malformed, Part, TokenError,
    json::{self, Value},
};
use crate::Timestamp;

/// The last second of the year 9999. A later time is a mistake, milliseconds taken for seconds as a rule.
const LATEST: u64 = 253_402_300_799;

/// The longest name: of an issuer, a subject or a token.
const LONGEST_NAME: usize = 256;

/// What is read of the claims. One that is not there is `None`; one of another type is no claim set at all.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Claims {
    pub(super) issuer: Option<Box<str>>,
    pub(super) subject: Option<Box<str>>,
    pub(super) audiences: Option<Vec<Box<str>>>,
    pub(super) scopes: Vec<Box<str>>,
    pub(super) id: Option<Box<str>>,
    pub(super) expires: Option<Timestamp>,
    pub(super) not_before: Option<Timestamp>,
    pub(super) issued: Option<Timestamp>,
}

impl Claims {
    pub(super) fn read(payload: &[u8]) -> Result<Self, TokenError> {
        let members = json::object(payload, 1).map_err(|fault| Malformed::Json(Part::Payload, fault))?;
        let (mut claims, mut scp) = (Self::default(), None);
        let mut scope = None;
        for (name, value) in members {
            match &*name {
                "iss" => claims.issuer = Some(text("iss", value)?),
                "sub" => claims.subject = Some(text("sub", value)?),
                "jti" => claims.id = Some(text("jti", value)?),
                "aud" => claims.audiences = Some(audiences(value).ok_or(ClaimFault::Audience)?),
                "exp" => claims.expires = Some(time("exp", &value)?),
                "nbf" => claims.not_before = Some(time("nbf", &value)?),
                "iat" => claims.issued = Some(time("iat", &value)?),
                "scope" => scope = Some(scopes(value.into_text()).ok_or(ClaimFault::Scope("scope"))?),
                // What some issuers write in place of `scope`: a list, or the same text.
                "scp" => scp = Some(scp_scopes(value).ok_or(ClaimFault::Scope("scp"))?),
                _ => {}
            }
        }
        claims.scopes = scope.or(scp).unwrap_or_default();
        Ok(claims)
    }
}

/// A name that can be shown, compared and kept.
fn text(claim: &'static str, value: Value<'_>) -> Result<Box<str>, ClaimFault> {
    let is_name =
        |text: &Cow<'_, str>| (1..=LONGEST_NAME).contains(&text.len()) && !text.chars().any(char::is_control);
    value.into_text().filter(is_name).map(Into::into).ok_or(ClaimFault::Text(claim))
}

/// One text, or a list of them (RFC 7519 §4.1.3).
fn audiences(value: Value<'_>) -> Option<Vec<Box<str>>> {
    match value {
        Value::Text(text) => Some(vec![text.into()]),
        list => Some(list.into_texts()?.into_iter().map(Into::into).collect()),
    }
}

/// Scopes with spaces between them (RFC 8693 §4.2, RFC 9068 §2.2.3).
fn scopes(text: Option<Cow<'_, str>>) -> Option<Vec<Box<str>>> {
    text?.split(' ').filter(|scope| !scope.is_empty()).map(scope).collect()
}

fn scp_scopes(value: Value<'_>) -> Option<Vec<Box<str>>> {
    match value {
        Value::Text(text) => scopes(Some(text)),
        list => list.into_texts()?.iter().map(|text| scope(text)).collect(),
    }
}

/// RFC 6749 §3.3: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`.
fn scope(text: &str) -> Option<Box<str>> {
    let is_token = |byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    (!text.is_empty() && text.bytes().all(is_token)).then(|| text.into())
}

/// A `NumericDate`: seconds since 1970, with a fraction or without (RFC 7519 §2).
fn time(claim: &'static str, value: &Value<'_>) -> Result<Timestamp, ClaimFault> {
    let milliseconds = match *value {
        Value::Whole(seconds) if seconds <= LATEST => seconds * 1000,
        Value::Number(seconds) => milliseconds(seconds).ok_or(ClaimFault::Time(claim))?,
        _ => return Err(ClaimFault::Time(claim)),
    };
    Ok(Timestamp(milliseconds))
}

fn milliseconds(seconds: f64) -> Option<u64> {
    #[expect(clippy::cast_precision_loss, reason = "the bound is far below 2^53")]
    let latest = LATEST as f64;
    // Written so that what compares with nothing is refused as well.
    let is_time = seconds.is_sign_positive() && seconds <= latest;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to the bound, rounded to the nearest millisecond"
    )]
    is_time.then_some((seconds * 1000.0 + 0.5) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::JsonFault;
    use alloc::{format, string::String};

    fn read(json: &str) -> Result<Claims, TokenError> {
        Claims::read(json.as_bytes())
    }

    #[test]
    fn claims_are_read() {
        let json = r#"{"iss":"https://a.example.com","sub":"al\u0069ce","aud":["one","two"],"exp":1700000000,
            "nbf":1699999999.25,"iat":1.5e9,"jti":"7","scope":"read write","roles":{"deep":["x"]},"n":null}"#;
        assert_eq!(
            read(json).unwrap(),
            Claims {
                issuer: Some("https://a.example.com".into()),
                subject: Some("alice".into()),
                audiences: Some(vec!["one".into(), "two".into()]),
                scopes: vec!["read".into(), "write".into()],
                id: Some("7".into()),
                expires: Some(Timestamp(1_700_000_000_000)),
                not_before: Some(Timestamp(1_699_999_999_250)),
                issued: Some(Timestamp(1_500_000_000_000)),
            }
        );
        assert_eq!(read("{}"), Ok(Claims::default()));
    }

    #[test]
    fn a_time_is_a_number_of_seconds() {
        for (written, expected) in [
            ("0", Some(0)),
            ("0.0", Some(0)),
            ("1", Some(1000)),
            ("1.001", Some(1001)),
            ("1700000000.123", Some(1_700_000_000_123)),
            ("1700000000.9996", Some(1_700_000_001_000)),
            ("1.7e9", Some(1_700_000_000_000)),
            ("253402300799", Some(253_402_300_799_000)),
            ("2.53402300799e11", Some(253_402_300_799_000)),
            ("253402300800", None),
            ("253402300799.5", None),
            // Milliseconds.
            ("1700000000000", None),
            ("18446744073709551615", None),
            ("18446744073709551616", None),
            ("1e300", None),
            ("-1", None),
            ("-0", None),
            ("-0.5", None),
            ("-1e300", None),
            ("-9223372036854775808", None),
            ("\"1700000000\"", None),
            ("null", None),
            ("true", None),
            ("[1700000000]", None),
            ("{}", None),
        ] {
            for claim in ["exp", "nbf", "iat"] {
                let read = read(&format!("{{\"{claim}\":{written}}}"));
                let time = read.map(|claims| claims.expires.or(claims.not_before).or(claims.issued));
                let expected =
                    expected.map(|time| Some(Timestamp(time))).ok_or(ClaimFault::Time(claim).into());
                assert_eq!(time, expected, "{claim} {written}");
            }
        }
        // What is no number in JSON is no JSON.
        for written in ["01", "1.", ".5", "+1", "NaN", "Infinity", "1e999", "0x10", "1_000"] {
            let syntax = Malformed::Json(Part::Payload, JsonFault::Syntax);
            assert_eq!(read(&format!("{{\"exp\":{written}}}")), Err(syntax.into()), "{written}");
        }
    }

    #[test]
    fn a_name_is_1_to_256_bytes_without_control_characters() {
        let long = |length| format!("\"{}\"", "a".repeat(length));
        for (written, good) in [
            (String::from("\"alice\""), true),
            ("\"Ålice 😀\"".into(), true),
            (long(256), true),
            (long(257), false),
            // 258 bytes, 86 characters.
            (format!("\"{}\"", "€".repeat(86)), false),
            ("\"\"".into(), false),
            (r#""a\u0000""#.into(), false),
            (r#""a\r\nb""#.into(), false),
            (r#""a\u007f""#.into(), false),
            (r#""a\u0085""#.into(), false),
            ("7".into(), false),
            ("null".into(), false),
            ("[\"alice\"]".into(), false),
        ] {
            for claim in ["iss", "sub", "jti"] {
                let read = read(&format!("{{\"{claim}\":{written}}}"));
                let expected = if good { Ok(()) } else { Err(ClaimFault::Text(claim).into()) };
                assert_eq!(read.map(|_| ()), expected, "{claim} {written}");
            }
        }
    }

    #[test]
    fn an_audience_is_a_text_or_a_list_of_texts() {
        for (written, expected) in [
            ("\"one\"", Some(&["one"][..])),
            ("[\"one\"]", Some(&["one"])),
            ("[\"one\",\"two\"]", Some(&["one", "two"])),
            ("[]", Some(&[])),
            ("null", None),
            ("1", None),
            ("{\"one\":1}", None),
            ("[\"one\",1]", None),
            ("[[\"one\"]]", None),
        ] {
            let audiences = read(&format!("{{\"aud\":{written}}}")).map(|claims| claims.audiences.unwrap());
            let expected =
                expected.map(|texts| texts.iter().map(|&text| text.into()).collect::<Vec<Box<str>>>());
            assert_eq!(audiences, expected.ok_or(ClaimFault::Audience.into()), "{written}");
        }
    }

    #[test]
    fn scopes_are_a_text_with_spaces_or_a_list_by_another_name() {
        for (written, expected) in [
            (r#""scope":"read write""#, Ok(&["read", "write"][..])),
            (r#""scope":" read  write ""#, Ok(&["read", "write"])),
            (r#""scope":"""#, Ok(&[])),
            (r#""scope":"https://a.example.com/x:y""#, Ok(&["https://a.example.com/x:y"])),
            (r#""scp":["read","write"]"#, Ok(&["read", "write"])),
            (r#""scp":"read write""#, Ok(&["read", "write"])),
            (r#""scp":[]"#, Ok(&[])),
            // RFC 9068 names `scope`, so that is what counts where there are both.
            (r#""scope":"read","scp":["admin"]"#, Ok(&["read"])),
            (r#""scope":"","scp":["admin"]"#, Ok(&[])),
            (r#""scope":["read"]"#, Err("scope")),
            (r#""scope":null"#, Err("scope")),
            (r#""scope":"a\tb""#, Err("scope")),
            (r#""scope":"a\"b""#, Err("scope")),
            (r#""scope":"a\\b""#, Err("scope")),
            (r#""scope":"é""#, Err("scope")),
            (r#""scp":["read write"]"#, Err("scp")),
            (r#""scp":[""]"#, Err("scp")),
            (r#""scp":[1]"#, Err("scp")),
            (r#""scp":{"admin":true}"#, Err("scp")),
        ] {
            let scopes = read(&format!("{{{written}}}")).map(|claims| claims.scopes);
            let expected = expected
                .map(|scopes| scopes.iter().map(|&scope| scope.into()).collect::<Vec<Box<str>>>())
                .map_err(|claim| ClaimFault::Scope(claim).into());
            assert_eq!(scopes, expected, "{written}");
        }
    }
}
