//! Tokens as attackers write them (RFC 8725 §2), signed with HS256. What needs another algorithm is in `tests/jwt.rs`.

mod claims;

use super::*;
use crate::jwt::{HmacKey, JsonFault, Malformed, Part, VerifySignature};
use alloc::{
    format,
    string::{String, ToString as _},
    sync::Arc,
    vec,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use core::time::Duration;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const HEADER: &str = r#"{"alg":"HS256","typ":"at+jwt","kid":"k1"}"#;
const CLAIMS: &str = r#"{"iss":"https://a.example.com","aud":"api","sub":"alice","exp":1700000300}"#;

fn secret() -> HmacKey {
    HmacKey::new(b"0123456789abcdef0123456789abcdef").unwrap()
}

fn key() -> VerifyingKey {
    VerifyingKey::new(Algorithm::Hs256, Arc::new(secret()))
}

fn rules() -> Rules {
    Rules::new("https://a.example.com", "api")
}

fn encode(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// A token with a good signature, whatever it says.
fn sign(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    sign_text(&format!("{}.{}", encode(header), encode(claims)))
}

fn sign_text(input: &str) -> String {
    format!("{input}.{}", encode(secret().sign(input.as_bytes())))
}

fn header(member: &str) -> String {
    sign(HEADER.replacen('{', &format!("{{{member},"), 1), CLAIMS)
}

fn claim(member: &str) -> String {
    sign(HEADER, CLAIMS.replacen('{', &format!("{{{member},"), 1))
}

/// As a ring with one key would judge it.
fn judge(text: impl AsRef<[u8]>) -> Result<VerifiedToken, TokenError> {
    let token = Token::parse(text.as_ref())?;
    if token.kid().is_some_and(|kid| kid != "k1") {
        return Err(TokenError::KeyUnknown);
    }
    token.verify(&key(), &rules(), NOW)
}

#[track_caller]
fn assert_refused(name: &str, text: impl AsRef<[u8]>, expected: impl Into<TokenError>) {
    assert_eq!(judge(text).map(|_| ()), Err(expected.into()), "{name}");
}

#[test]
fn a_good_token_is_accepted() {
    let claims = r#"{"iss":"https://a.example.com","aud":["other","api"],"sub":"alice","exp":1700000300.5,"iat":1699999990,
        "nbf":1699999990,"jti":"7","scope":"read write","name":{"first":"Alice"}}"#;
    let token = judge(sign(HEADER, claims)).unwrap();
    assert_eq!(
        token,
        VerifiedToken {
            subject: "alice".into(),
            scopes: vec!["read".into(), "write".into()],
            jti: Some("7".into()),
            issued: Some(Timestamp(1_699_999_990_000)),
            expires: Timestamp(1_700_000_300_500),
            signer: None,
            claims: claims.as_bytes().into(),
        }
    );
    assert!(!format!("{token:?}").contains("Alice"));
    let text = sign(HEADER, CLAIMS);
    let token = Token::parse(text.as_bytes()).unwrap();
    assert_eq!(token.issuer(), Some("https://a.example.com"));
    assert_eq!((token.kid(), token.algorithm()), (Some("k1"), Algorithm::Hs256));
    assert_eq!(format!("{token:?}"), "Token { algorithm: Hs256, .. }");
    // What a header may say and nothing comes of.
    for member in [
        r#""jku":"https://evil.example/jwks.json""#,
        r#""x5u":"https://evil.example/cert.pem""#,
        r#""x5c":["MIIB"]"#,
        r#""jwk":{"kty":"oct","k":"AAAA"}"#,
        r#""cty":"json""#,
        r#""Alg":"none""#,
        r#""x":null"#,
    ] {
        assert!(judge(header(member)).is_ok(), "{member}");
    }
    assert!(judge(sign(" {\"alg\" :\r\n\t\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\"} ", CLAIMS)).is_ok());
    assert!(judge(sign(r#"{"\u0061lg":"\u0048S256","typ":"AT+jwt","kid":"k\u0031"}"#, CLAIMS)).is_ok());
}

#[test]
fn an_algorithm_is_one_of_ours_to_the_letter() {
    for alg in [
        r#""none""#,
        r#""None""#,
        r#""NONE""#,
        r#""nOnE""#,
        r#""none ""#,
        r#""\u006eone""#,
        r#""""#,
        r#""hs256""#,
        r#""Hs256""#,
        r#"" HS256""#,
        r#""HS256 ""#,
        r#""HS256\u0000""#,
        r#""ＨＳ256""#,
        r#""HS384""#,
        r#""HS512""#,
        r#""PS256""#,
        r#""ES256K""#,
        r#""ES384""#,
        r#""Ed25519""#,
        r#""RSA1_5""#,
        r#""dir""#,
        "null",
        "false",
        "0",
        r#"["HS256"]"#,
        r#"{"HS256":1}"#,
    ] {
        let header = HEADER.replace("\"HS256\"", alg);
        assert_refused(alg, sign(&header, CLAIMS), TokenError::Algorithm);
        let unsigned = format!("{}.{}.", encode(&header), encode(CLAIMS));
        assert_refused(alg, unsigned, TokenError::Algorithm);
    }
    assert_refused("no alg", sign(r#"{"typ":"at+jwt","kid":"k1"}"#, CLAIMS), TokenError::Algorithm);
    assert_refused("an empty header", sign("{}", CLAIMS), TokenError::Algorithm);
    // Another of ours: the key says what it is for.
    for alg in ["EdDSA", "ES256", "RS256"] {
        assert_refused(alg, sign(HEADER.replace("HS256", alg), CLAIMS), TokenError::Algorithm);
    }
    let text = sign(HEADER, CLAIMS);
    let asymmetric = Rules { algorithms: vec![Algorithm::EdDsa, Algorithm::Rs256], ..rules() };
    let judged = Token::parse(text.as_bytes()).unwrap().verify(&key(), &asymmetric, NOW);
    assert_eq!(judged, Err(TokenError::Algorithm));
}

#[test]
fn only_the_compact_form_is_read_in_its_one_spelling() {
    let good = sign(HEADER, CLAIMS);
    let [h, c, s] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let cut = |part: &str, length: usize| part[..part.len() - length].to_string();
    for (name, text, expected) in [
        ("nothing", String::new(), Malformed::Form),
        ("one part", h.into(), Malformed::Form),
        ("two parts", format!("{h}.{c}"), Malformed::Form),
        ("four parts", format!("{good}.x"), Malformed::Form),
        ("a dot at the end", format!("{good}."), Malformed::Form),
        ("a dot at the start", format!(".{good}"), Malformed::Form),
        ("two tokens", format!("{good},{good}"), Malformed::Encrypted),
        ("a JWE", format!("{h}.{c}.{s}.{c}.{s}"), Malformed::Encrypted),
        ("five empty parts", "....".into(), Malformed::Encrypted),
        ("six parts", ".....".into(), Malformed::Form),
        (
            "the flattened JSON form",
            format!(r#"{{"protected":"{h}","payload":"{c}","signature":"{s}"}}"#),
            Malformed::Form,
        ),
        (
            "the JSON form with dots in it",
            format!(
                r#"{{"payload":"{c}","signatures":[{{"protected":"{h}","signature":"{s}","header":{{"x":".."}}}}]}}"#
            ),
            Malformed::Base64(Part::Header),
        ),
        ("a space before", format!(" {good}"), Malformed::Base64(Part::Header)),
        ("a space after", format!("{good} "), Malformed::Base64(Part::Signature)),
        ("a line feed after", format!("{good}\n"), Malformed::Base64(Part::Signature)),
        ("a line feed within", format!("{h}.{}\n{}.{s}", &c[..8], &c[8..]), Malformed::Base64(Part::Payload)),
        ("a tab beside the dot", format!("{h}.\t{c}.{s}"), Malformed::Base64(Part::Payload)),
        ("a NUL", format!("{h}\0.{c}.{s}"), Malformed::Base64(Part::Header)),
        ("a padded header", format!("{h}=.{c}.{s}"), Malformed::Base64(Part::Header)),
        ("a padded signature", format!("{good}="), Malformed::Base64(Part::Signature)),
        ("percent-encoded padding", format!("{good}%3D"), Malformed::Base64(Part::Signature)),
        ("the other alphabet", format!("{h}.{c}.{}+/", cut(s, 2)), Malformed::Base64(Part::Signature)),
        ("a character that is no byte", format!("{good}AA"), Malformed::Base64(Part::Signature)),
        ("an empty header", format!(".{c}.{s}"), Malformed::Json(Part::Header, JsonFault::Syntax)),
        ("an empty payload", sign_text(&format!("{h}.")), Malformed::Json(Part::Payload, JsonFault::Syntax)),
        ("too long", format!("{h}.{c}.{}", "A".repeat(8192 - h.len() - c.len() - 1)), Malformed::Long),
        ("far too long", "e".repeat(1 << 20), Malformed::Long),
    ] {
        assert_refused(name, text, expected);
    }
    assert_refused("no signature", format!("{h}.{c}."), TokenError::Signature);
    assert_refused("half a signature", format!("{h}.{c}.{}", &s[..24]), TokenError::Signature);
    assert_refused("more signature", format!("{good}AAAA"), TokenError::Signature);
    let longest = format!("{h}.{c}.{}", "A".repeat(8192 - h.len() - c.len() - 2));
    assert_eq!(longest.len(), 8192);
    assert!(!matches!(judge(longest), Err(TokenError::Malformed(Malformed::Long))));
}

#[test]
fn a_last_character_with_bits_that_mean_nothing_is_refused() {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let good = sign(HEADER, CLAIMS);
    // 43 characters for 32 bytes: two bits of the last one mean nothing.
    let (before, last) = good.split_at(good.len() - 1);
    let index = ALPHABET.find(last).unwrap();
    assert_eq!(index % 4, 0);
    for bits in 1..4 {
        let other = &ALPHABET[index + bits..=index + bits];
        assert_refused(other, format!("{before}{other}"), Malformed::Base64(Part::Signature));
    }
}

#[test]
fn what_a_header_must_not_say() {
    for (member, expected) in [
        (r#""alg":"HS256""#, Malformed::Json(Part::Header, JsonFault::Duplicate)),
        (r#""alg":"none""#, Malformed::Json(Part::Header, JsonFault::Duplicate)),
        (r#""\u0061lg":"none""#, Malformed::Json(Part::Header, JsonFault::Duplicate)),
        (r#""\u0061\u006C\u0067":"none""#, Malformed::Json(Part::Header, JsonFault::Duplicate)),
        (r#""kid":"k2""#, Malformed::Json(Part::Header, JsonFault::Duplicate)),
        (r#""k\u0069d":"k2""#, Malformed::Json(Part::Header, JsonFault::Duplicate)),
        (r#""typ":"JWT""#, Malformed::Json(Part::Header, JsonFault::Duplicate)),
        (r#""jwk":{"kty":"a","kty":"b"}"#, Malformed::Json(Part::Header, JsonFault::Duplicate)),
        (r#""crit":["exp"]"#, Malformed::Critical),
        (r#""crit":["b64"],"b64":true"#, Malformed::Unencoded),
        (r#""crit":["alg"]"#, Malformed::Critical),
        (r#""crit":[]"#, Malformed::Critical),
        (r#""crit":null"#, Malformed::Critical),
        (r#""\u0063rit":["x"]"#, Malformed::Critical),
        (r#""b64":false"#, Malformed::Unencoded),
        (r#""b64":true"#, Malformed::Unencoded),
        (r#""enc":"A128GCM""#, Malformed::Encrypted),
        (r#""enc":null"#, Malformed::Encrypted),
        (r#""cty":"JWT""#, Malformed::Nested),
        (r#""cty":"application/jwt""#, Malformed::Nested),
        (r#""cty":1"#, Malformed::NotText("cty")),
    ] {
        assert_refused(member, header(member), expected);
    }
    assert_refused("typ", sign(HEADER.replace("\"at+jwt\"", "7"), CLAIMS), Malformed::NotText("typ"));
    for text in ["", "null", "[]", "\"a\"", "{", "{}{}", "{\"alg\":\"HS256\",}", "\u{feff}{}", HEADER_TWICE] {
        assert_refused(text, sign(text, CLAIMS), Malformed::Json(Part::Header, JsonFault::Syntax));
    }
    let deep = format!("\"x\":{}{}", "[".repeat(16), "]".repeat(16));
    assert_refused("deep", header(&deep), Malformed::Json(Part::Header, JsonFault::Deep));
    let bomb = format!("\"x\":{}{}", "[".repeat(2500), "]".repeat(2500));
    assert_refused("a bomb", header(&bomb), Malformed::Json(Part::Header, JsonFault::Deep));
    // UTF-16, and bytes that are no UTF-8.
    let wide: Vec<u8> = HEADER.bytes().flat_map(|byte| [byte, 0]).collect();
    for bytes in [&wide[..], b"{\"alg\":\"HS256\",\"x\":\"\xff\"}"] {
        assert_refused("bytes", sign(bytes, CLAIMS), Malformed::Json(Part::Header, JsonFault::Syntax));
    }
}

/// Two headers, one after the other.
const HEADER_TWICE: &str = r#"{"alg":"HS256"}{"alg":"none"}"#;

#[test]
fn a_kid_is_looked_up_to_the_letter_and_is_no_path_or_query() {
    let with = |kid: &str| sign(HEADER.replace("\"k1\"", kid), CLAIMS);
    for kid in [
        r#""../../../../dev/null""#,
        r#""/etc/passwd""#,
        r#""..\\..\\x""#,
        r#""k1' OR '1'='1""#,
        r#""x' UNION SELECT 'AAAA'--""#,
        r#""k1;--""#,
        r#""K1""#,
        r#""k1 ""#,
        r#""%6b1""#,
        r#""$(id)""#,
        r#""k2""#,
        r#""*""#,
    ] {
        assert_refused(kid, with(kid), TokenError::KeyUnknown);
        let text = with(kid);
        let written: String = serde_json::from_str(kid).unwrap();
        assert_eq!(Token::parse(text.as_bytes()).unwrap().kid(), Some(&*written));
    }
    let long = |length| format!("\"{}\"", "k".repeat(length));
    assert_refused("128", with(&long(128)), TokenError::KeyUnknown);
    for kid in [
        &*long(129),
        &long(5000),
        r#""""#,
        r#""k1\u0000""#,
        r#""k1\n""#,
        r#""k1\r\nX-Header: y""#,
        r#""\u007f""#,
        r#""é""#,
        r#""ｋ1""#,
        "1",
        "null",
        r#"["k1"]"#,
    ] {
        assert_refused(kid, with(kid), Malformed::Kid);
    }
    assert_refused("1 MB", with(&long(1 << 20)), Malformed::Long);
    assert_refused("none", sign(r#"{"alg":"HS256","typ":"at+jwt"}"#, CLAIMS), TokenError::KeyUnknown);
    // In the payload it names nothing.
    assert!(judge(claim(r#""kid":"../../x""#)).is_ok());
}

#[test]
fn what_is_wrong_first_is_told_first() {
    let wrong = r#"{"iss":"https://b.example.com","aud":"x","exp":1,"nbf":99999999999}"#;
    let header = HEADER.replace("at+jwt", "JWT");
    let mut text = sign(&header, wrong);
    let signature = text.rfind('.').unwrap();
    text.replace_range(signature + 1.., &"A".repeat(43));
    for (fix, expected) in [
        (text, TokenError::Signature),
        (sign(&header, wrong), TokenError::Type),
        (sign(HEADER, wrong), TokenError::Issuer),
        (sign(HEADER, wrong.replace("https://b", "https://a")), TokenError::Audience),
        (
            sign(HEADER, wrong.replace("https://b", "https://a").replace("\"x\"", "\"api\"")),
            TokenError::Expired(Duration::from_millis(NOW.0 - 1000)),
        ),
    ] {
        assert_refused("order", fix, expected);
    }
}

#[test]
fn an_imported_key_takes_the_tokens_of_before_and_nothing_that_is_wrong() {
    let judge = |header: &str, claims: &str| {
        let text = sign(header, claims);
        let token = Token::parse(text.as_bytes())?;
        token.verify(&key().with_legacy_tokens(), &rules(), NOW).map(|_| ())
    };
    // As PyJWT writes it in FastAPI's tutorial.
    let (header, claims) = (r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"sub":"alice","exp":1700000300}"#);
    for (header, claims, expected) in [
        (header, claims, Ok(())),
        (r#"{"alg":"HS256"}"#, claims, Ok(())),
        (HEADER, CLAIMS, Ok(())),
        (r#"{"alg":"HS256","typ":"bartizan-assertion+jwt"}"#, claims, Err(TokenError::Type)),
        (r#"{"alg":"none"}"#, claims, Err(TokenError::Algorithm)),
        (r#"{"alg":"RS256"}"#, claims, Err(TokenError::Algorithm)),
        (header, r#"{"sub":"alice"}"#, Err(ClaimFault::Missing("exp").into())),
        (header, r#"{"exp":1700000300}"#, Err(ClaimFault::Missing("sub").into())),
        (header, r#"{"sub":"alice","exp":1700000300,"iss":"b"}"#, Err(TokenError::Issuer)),
        (header, r#"{"sub":"alice","exp":1700000300,"aud":"b"}"#, Err(TokenError::Audience)),
        (header, r#"{"sub":"alice","exp":1699999940}"#, Err(TokenError::Expired(Duration::from_mins(1)))),
    ] {
        assert_eq!(judge(header, claims), expected, "{header} {claims}");
    }
}

#[test]
fn every_changed_byte_is_refused() {
    let good = sign(HEADER, CLAIMS);
    assert!(judge(&good).is_ok());
    for index in 0..good.len() {
        for change in [1, 2, 4, 8, 16, 32, 64, 128] {
            let mut text = good.clone().into_bytes();
            text[index] ^= change;
            assert!(judge(&text).is_err(), "byte {index} of the text, {change}");
        }
        let cut = [&good[..index], &good[index + 1..]].concat();
        assert!(judge(cut).is_err(), "without byte {index}");
    }
    // The same under the base64, where each bit is one of a part.
    let parts: Vec<Vec<u8>> = good.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    for part in 0..3 {
        for index in 0..parts[part].len() {
            for change in [1, 2, 4, 8, 16, 32, 64, 128] {
                let mut parts = parts.clone();
                parts[part][index] ^= change;
                let text = parts.iter().map(encode).collect::<Vec<_>>().join(".");
                let refused = judge(text).unwrap_err();
                assert!(part != 2 || refused == TokenError::Signature, "{part} {index} {change}: {refused}");
            }
        }
    }
}

#[test]
fn two_issuers_may_share_the_name_of_a_key() {
    let other = HmacKey::new(b"another issuer's secret of 32 bytes").unwrap();
    let theirs = VerifyingKey::new(Algorithm::Hs256, Arc::new(other.clone()));
    let judge = |text: &str| {
        let token = Token::parse(text.as_bytes())?;
        // As the engine does: the issuer chooses keys and rules together.
        let (key, rules) = match token.issuer() {
            Some("https://a.example.com") => (key(), rules()),
            Some("https://b.example.com") => (theirs.clone(), Rules::new("https://b.example.com", "api")),
            _ => return Err(TokenError::Issuer),
        };
        token.verify(&key, &rules, NOW).map(|_| ())
    };
    let input = |issuer: &str| {
        format!("{}.{}", encode(HEADER), encode(CLAIMS.replace("//a.", &format!("//{issuer}."))))
    };
    let by = |key: &HmacKey, input: &str| format!("{input}.{}", encode(key.sign(input.as_bytes())));
    assert_eq!(judge(&by(&secret(), &input("a"))), Ok(()));
    assert_eq!(judge(&by(&other, &input("b"))), Ok(()));
    assert_eq!(judge(&by(&other, &input("a"))), Err(TokenError::Signature));
    assert_eq!(judge(&by(&secret(), &input("b"))), Err(TokenError::Signature));
    assert_eq!(judge(&by(&secret(), &input("c"))), Err(TokenError::Issuer));
    // With their own key, and our rules all the same.
    let text = by(&other, &input("b"));
    let judged = Token::parse(text.as_bytes()).unwrap().verify(&theirs, &rules(), NOW);
    assert_eq!(judged, Err(TokenError::Issuer));
}

/// A key that takes everything, to reach what comes after the signature.
struct Anything;

impl VerifySignature for Anything {
    fn verify(&self, _: &[u8], _: &[u8]) -> bool {
        true
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(judge(&bytes).is_err());
        // As parts, with a signature of the right length.
        let text = bytes.splitn(2, |byte| *byte == b'.').map(encode).collect::<Vec<_>>().join(".");
        prop_assert!(judge(sign_text(&text)).is_err());
    }

    #[test]
    fn no_claims_make_it_panic(
        claims in r#"\{("(iss|sub|aud|exp|nbf|iat|jti|scope|scp)":("[ a\\u0-9]{0,6}"|-?[0-9]{1,20}(\.[0-9]{1,3})?|\[\]|null|\{\}),?){0,4}\}"#,
        now in any::<u64>(),
        leeway in any::<u64>(),
    ) {
        let text = format!("{}.{}.{}", encode(HEADER), encode(&claims), "A".repeat(43));
        let key = VerifyingKey::new(Algorithm::Hs256, Arc::new(Anything)).with_legacy_tokens();
        let rules = Rules { leeway: Duration::from_millis(leeway), ..rules() };
        if let Ok(token) = Token::parse(text.as_bytes())
            && let Ok(token) = token.verify(&key, &rules, Timestamp(now))
        {
            let read: serde_json::Value = serde_json::from_slice(&token.claims).unwrap();
            prop_assert_eq!(read["sub"].as_str(), Some(&*token.subject));
            prop_assert!(now < token.expires.0.saturating_add(leeway));
        }
    }
}
