//! What claims must and must not say, and for how long a token is good.

use super::*;

#[test]
fn a_token_of_another_kind_is_none_of_ours() {
    let typed = |typ: &str| sign(HEADER.replace("\"at+jwt\"", typ), CLAIMS);
    for (name, text) in [
        ("an assertion as Bearer", typed(r#""bartizan-assertion+jwt""#)),
        ("an identity token", typed(r#""JWT""#)),
        ("no type", sign(r#"{"alg":"HS256","kid":"k1"}"#, CLAIMS)),
        ("a logout token", typed(r#""logout+jwt""#)),
        ("a proof of possession", typed(r#""dpop+jwt""#)),
        ("a JWE", typed(r#""JOSE""#)),
        ("with a space", typed(r#"" at+jwt""#)),
    ] {
        assert_refused(name, text, TokenError::Type);
    }
    // The reverse: where an assertion is expected, an access token is refused, and an identity token too.
    let mut assertions = Rules::new("https://a.example.com", "api");
    assertions.types = vec!["bartizan-assertion+jwt".into()];
    for (typ, expected) in [
        (r#""bartizan-assertion+jwt""#, Ok(())),
        (r#""at+jwt""#, Err(TokenError::Type)),
        (r#""JWT""#, Err(TokenError::Type)),
    ] {
        let text = typed(typ);
        let judged = Token::parse(text.as_bytes()).unwrap().verify(&key(), &assertions, NOW);
        assert_eq!(judged.map(|_| ()), expected, "{typ}");
    }
    // Where an issuer writes `JWT` into its access tokens, an identity token is for the client, not for us.
    let mut remote = rules();
    remote.types = vec!["JWT".into()];
    let text = sign(HEADER.replace("at+jwt", "JWT"), CLAIMS.replace("\"api\"", "\"client-7\""));
    let judged = Token::parse(text.as_bytes()).unwrap().verify(&key(), &remote, NOW);
    assert_eq!(judged, Err(TokenError::Audience));
}

#[test]
fn what_claims_must_not_say() {
    let without = |member: &str| sign(HEADER, CLAIMS.replace(member, ""));
    let instead = |from: &str, to: &str| sign(HEADER, CLAIMS.replace(from, to));
    let exp = |value: &str| instead("1700000300", value);
    let time = TokenError::from(ClaimFault::Time("exp"));
    let duplicate = TokenError::from(Malformed::Json(Part::Payload, JsonFault::Duplicate));
    for (name, text, expected) in [
        ("exp twice", claim(r#""exp":1700000300"#), duplicate),
        ("exp twice, escaped", claim(r#""\u0065xp":9999999999"#), duplicate),
        ("sub twice", claim(r#""sub":"root""#), duplicate),
        ("sub twice, escaped", claim(r#""s\u0075b":"root""#), duplicate),
        ("a role twice within", claim(r#""realm":{"admin":false,"admin":true}"#), duplicate),
        ("a role twice in a list", claim(r#""a":[[{"b":1,"\u0062":2}]]"#), duplicate),
        ("exp as a text", exp("\"1700000300\""), time),
        ("exp negative", exp("-1"), time),
        ("exp minus nothing", exp("-0.0"), time),
        ("exp negative and enormous", exp("-1e300"), time),
        ("exp enormous", exp("1e300"), time),
        ("exp in milliseconds", exp("1700000300000"), time),
        ("exp of 64 bits", exp("18446744073709551615"), time),
        ("exp beyond 64 bits", exp("99999999999999999999999999"), time),
        (
            "exp too large for a number",
            exp("1e999"),
            Malformed::Json(Part::Payload, JsonFault::Syntax).into(),
        ),
        ("exp NaN", exp("NaN"), Malformed::Json(Part::Payload, JsonFault::Syntax).into()),
        ("exp null", exp("null"), time),
        ("exp true", exp("true"), time),
        ("exp a list", exp("[1700000300]"), time),
        ("no exp", without(r#","exp":1700000300"#), ClaimFault::Missing("exp").into()),
        ("exp 0", exp("0"), TokenError::Expired(Duration::from_millis(NOW.0))),
        ("nbf as a text", claim(r#""nbf":"0""#), ClaimFault::Time("nbf").into()),
        ("nbf null", claim(r#""nbf":null"#), ClaimFault::Time("nbf").into()),
        ("nbf later", claim(r#""nbf":1700000061"#), TokenError::NotYetValid(Duration::from_secs(61))),
        ("iat negative", claim(r#""iat":-5"#), ClaimFault::Time("iat").into()),
        ("iat later", claim(r#""iat":1700000061"#), TokenError::NotYetValid(Duration::from_secs(61))),
        ("no sub", without(r#""sub":"alice","#), ClaimFault::Missing("sub").into()),
        ("sub empty", instead("alice", ""), ClaimFault::Text("sub").into()),
        ("sub a number", instead("\"alice\"", "7"), ClaimFault::Text("sub").into()),
        ("sub with a line feed", instead("alice", r"alice\nroot"), ClaimFault::Text("sub").into()),
        ("sub with NUL", instead("alice", r"alice\u0000"), ClaimFault::Text("sub").into()),
        ("sub long", instead("alice", &"a".repeat(257)), ClaimFault::Text("sub").into()),
        ("jti long", claim(&format!("\"jti\":\"{}\"", "a".repeat(257))), ClaimFault::Text("jti").into()),
        ("jti a number", claim(r#""jti":7"#), ClaimFault::Text("jti").into()),
        ("scope a list", claim(r#""scope":["admin"]"#), ClaimFault::Scope("scope").into()),
        ("another issuer", instead("https://a.", "https://b."), TokenError::Issuer),
        ("iss with a slash", instead("example.com\"", "example.com/\""), TokenError::Issuer),
        ("iss in capitals", instead("https", "HTTPS"), TokenError::Issuer),
        (
            "iss a list",
            instead("\"https://a.example.com\"", r#"["https://a.example.com"]"#),
            ClaimFault::Text("iss").into(),
        ),
        ("no iss", without(r#""iss":"https://a.example.com","#), TokenError::Issuer),
        ("another audience", instead("\"api\"", "\"apis\""), TokenError::Audience),
        ("audience in capitals", instead("\"api\"", "\"API\""), TokenError::Audience),
        ("no audience", without(r#""aud":"api","#), TokenError::Audience),
        ("no audience in the list", instead("\"api\"", "[]"), TokenError::Audience),
        ("aud null", instead("\"api\"", "null"), ClaimFault::Audience.into()),
        ("aud with a number", instead("\"api\"", "[\"api\",1]"), ClaimFault::Audience.into()),
        ("aud an object", instead("\"api\"", "{\"api\":true}"), ClaimFault::Audience.into()),
        ("no object", sign(HEADER, "[]"), Malformed::Json(Part::Payload, JsonFault::Syntax).into()),
        ("a text", sign(HEADER, "\"alice\""), Malformed::Json(Part::Payload, JsonFault::Syntax).into()),
        (
            "two objects",
            sign(HEADER, format!("{CLAIMS}{CLAIMS}")),
            Malformed::Json(Part::Payload, JsonFault::Syntax).into(),
        ),
        (
            "a token within",
            sign(HEADER, sign(HEADER, CLAIMS)),
            Malformed::Json(Part::Payload, JsonFault::Syntax).into(),
        ),
    ] {
        assert_refused(name, text, expected);
    }
    // A date with a fraction or an exponent is a number too.
    for value in ["1700000300.0", "17000003e2"] {
        assert_eq!(judge(exp(value)).unwrap().expires, Timestamp(1_700_000_300_000), "{value}");
    }
}

#[test]
fn a_token_is_good_up_to_its_last_millisecond() {
    let text = sign(HEADER, CLAIMS);
    let judge = |now| {
        Token::parse(text.as_bytes())
            .unwrap()
            .verify(&key(), &rules(), Timestamp(now))
            .map(|token| token.expires)
    };
    assert_eq!(judge(1_700_000_359_999), Ok(Timestamp(1_700_000_300_000)));
    assert_eq!(judge(1_700_000_360_000), Err(TokenError::Expired(Duration::from_mins(1))));
    assert_eq!(judge(0), Ok(Timestamp(1_700_000_300_000)));
    assert!(judge(u64::MAX).is_err());
}
