//! Keys as they are published, and as they must not be.

use super::*;
use alloc::{string::ToString as _, vec};

/// RFC 7517 A.1, the first key: the point of RFC 7515 A.3 is another.
const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"}"#;
/// RFC 7638 §3.1; the second key of RFC 7517 A.1.
const RSA: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
/// RFC 8037 A.2.
const OKP: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn parse(text: &str) -> Result<Jwk, JwkFault> {
    Jwk::parse(text.as_bytes())
}

#[test]
fn published_keys_are_read_named_and_written() {
    let ec = EC.replace("\"enc\"", "\"sig\"");
    for (text, kid, algorithm, thumbprint) in [
        // RFC 7638 §3.1.
        (RSA, Some("2011-04-29"), Algorithm::Rs256, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        // RFC 8037 A.3.
        (OKP, None, Algorithm::EdDsa, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
        (&ec, Some("1"), Algorithm::Es256, "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"),
    ] {
        let jwk = parse(text).unwrap();
        assert_eq!((jwk.kid.as_deref(), jwk.key.algorithm()), (kid, algorithm), "{text}");
        assert_eq!(jwk.key.thumbprint(), thumbprint);
        let named = Jwk::new(jwk.key.clone());
        assert_eq!(named.kid.as_deref(), Some(thumbprint));
        for jwk in [jwk, named] {
            let written = serde_json::to_string(&jwk).unwrap();
            assert_eq!(parse(&written), Ok(jwk.clone()), "{written}");
            assert_eq!(serde_json::from_str::<Jwk>(&written).unwrap(), jwk);
        }
    }
}

#[test]
fn what_is_written_is_what_others_read() {
    let written = |text| serde_json::to_string(&parse(text).unwrap()).unwrap();
    assert_eq!(written(RSA).replace(",\"use\":\"sig\"}", "}"), {
        let (key, _) = RSA.split_once(",\"alg\"").unwrap();
        alloc::format!("{key},\"kid\":\"2011-04-29\",\"alg\":\"RS256\"}}")
    });
    assert_eq!(
        written(OKP),
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","alg":"EdDSA","use":"sig"}"#
    );
    assert_eq!(
        written(&EC.replace("\"use\":\"enc\",", "")),
        EC.replace("\"use\":\"enc\",\"kid\":\"1\"", "\"kid\":\"1\",\"alg\":\"ES256\",\"use\":\"sig\"")
    );
    // A name is whatever an application called its key.
    let quoted = Jwk { kid: Some(r#"a"b\c"#.into()), ..parse(OKP).unwrap() };
    assert!(serde_json::to_string(&quoted).unwrap().contains(r#""kid":"a\"b\\c""#));
}

#[test]
fn what_cannot_verify_is_refused() {
    let with = |text: &str, member: &str| text.replacen('{', &alloc::format!("{{{member},"), 1);
    let rsa = |n: &[u8], e: &[u8]| {
        let text = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        alloc::format!(r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#, text(n), text(e))
    };
    let modulus = |bytes: usize, first: u8, last: u8| {
        let mut n = vec![0xa5; bytes];
        (n[0], n[bytes - 1]) = (first, last);
        n
    };
    let key = modulus(256, 0x80, 1);
    for (text, expected) in [
        ("[]".into(), JwkFault::Json(JsonFault::Syntax)),
        (with(OKP, r#""kty":"OKP""#), JwkFault::Json(JsonFault::Duplicate)),
        (with(OKP, r#""\u006bty":"OKP""#), JwkFault::Json(JsonFault::Duplicate)),
        // RFC 8037 A.1, RFC 7517 A.2 and A.3: private and secret keys.
        (with(OKP, r#""d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A""#), JwkFault::Private),
        (with(EC, r#""d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE""#), JwkFault::Private),
        (
            with(
                RSA,
                r#""p":"83i-7IvMGXoMXCskv73TKr8637FiO7Z27zv8oj6pbWUQyLPQBQxtPVnwD20R-60eTDmD2ujnMt5PoqMrm8RfmNhVWDtjjMmCMjOpSXicFHj7XOuVIYQyqVWlWEh6dN36GVZYk93N8Bc9vY41xy8B9RzzOGVQzXvNEvn7O0nVbfs""#,
            ),
            JwkFault::Private,
        ),
        (r#"{"kty":"oct","k":"GawgguFyGrWKav7AX4VKUg"}"#.into(), JwkFault::Private),
        (r#"{"kty":"oct","k":null}"#.into(), JwkFault::Private),
        (r#"{"kty":"oct"}"#.into(), JwkFault::KeyType),
        ("{}".into(), JwkFault::Missing("kty")),
        (OKP.replace("\"OKP\"", "1"), JwkFault::NotText("kty")),
        (OKP.replace("OKP", "okp"), JwkFault::KeyType),
        (OKP.replace("Ed25519", "Ed448"), JwkFault::KeyType),
        (OKP.replace("Ed25519", "X25519"), JwkFault::KeyType),
        (OKP.replace("\"crv\":\"Ed25519\",", ""), JwkFault::KeyType),
        (OKP.replace("OKP", "EC"), JwkFault::KeyType),
        (EC.replace("P-256", "secp256k1"), JwkFault::KeyType),
        (EC.replace("P-256", "P-384"), JwkFault::KeyType),
        (with(RSA, r#""crv":"P-256""#), JwkFault::KeyType),
        (EC.into(), JwkFault::Use),
        (with(OKP, r#""use":1"#), JwkFault::NotText("use")),
        (with(OKP, r#""key_ops":["sign"]"#), JwkFault::Use),
        (with(OKP, r#""key_ops":[]"#), JwkFault::Use),
        (with(OKP, r#""key_ops":"verify""#), JwkFault::Use),
        (with(OKP, r#""alg":"ES256""#), JwkFault::Algorithm),
        (with(OKP, r#""alg":"HS256""#), JwkFault::Algorithm),
        (with(OKP, r#""alg":"none""#), JwkFault::Algorithm),
        (with(OKP, r#""alg":null"#), JwkFault::NotText("alg")),
        (RSA.replace("RS256", "PS256"), JwkFault::Algorithm),
        (RSA.replace("RS256", "RS512"), JwkFault::Algorithm),
        (with(OKP, r#""kid":"""#), JwkFault::Kid),
        (with(OKP, r#""kid":7"#), JwkFault::Kid),
        (with(OKP, r#""kid":"a\nb""#), JwkFault::Kid),
        (with(OKP, r#""kid":"é""#), JwkFault::Kid),
        (with(OKP, &alloc::format!("\"kid\":\"{}\"", "a".repeat(129))), JwkFault::Kid),
        (r#"{"kty":"OKP","crv":"Ed25519"}"#.into(), JwkFault::Missing("x")),
        (OKP.replace("URo\"", "URo=\""), JwkFault::Number("x")),
        (OKP.replace("URo\"", "URp\""), JwkFault::Number("x")),
        (OKP.replace("11qY", "1+qY"), JwkFault::Number("x")),
        (OKP.replace("11qY", ""), JwkFault::Number("x")),
        (OKP.replace("11qY", "AAAA11qY"), JwkFault::Number("x")),
        (
            r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"}"#.into(),
            JwkFault::Missing("y"),
        ),
        (
            r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"AA"}"#.into(),
            JwkFault::Number("y"),
        ),
        (r#"{"kty":"RSA","e":"AQAB"}"#.into(), JwkFault::Missing("n")),
        (rsa(&modulus(128, 0x80, 1), &[1, 0, 1]), JwkFault::Bits(1024)),
        (rsa(&modulus(256, 0x7f, 1), &[1, 0, 1]), JwkFault::Bits(2047)),
        (rsa(&modulus(1025, 1, 1), &[1, 0, 1]), JwkFault::Bits(8193)),
        (rsa(&modulus(257, 0, 1), &[1, 0, 1]), JwkFault::Number("n")),
        (rsa(&[], &[1, 0, 1]), JwkFault::Number("n")),
        (rsa(&key, &[0, 1, 0, 1]), JwkFault::Number("e")),
        (rsa(&modulus(256, 0x80, 2), &[1, 0, 1]), JwkFault::Rsa),
        (rsa(&key, &[1]), JwkFault::Rsa),
        (rsa(&key, &[1, 0, 0]), JwkFault::Rsa),
        (rsa(&key, &[1, 0, 0, 0, 1]), JwkFault::Rsa),
    ] {
        assert_eq!(parse(&text), Err(expected), "{text}");
        assert!(serde_json::from_str::<Jwk>(&text).is_err(), "{text}");
    }
    for text in [
        rsa(&key, &[1, 0, 1]),
        rsa(&key, &[3]),
        rsa(&modulus(1024, 0xff, 0xff), &[1, 0, 1]),
        with(OKP, r#""use":"sig","key_ops":["sign","verify"],"alg":"EdDSA","x5c":["x"],"ext":true"#),
        with(OKP, &alloc::format!("\"kid\":\"{}\"", "a".repeat(128))),
    ] {
        assert!(parse(&text).is_ok(), "{text}: {:?}", parse(&text));
    }
}

#[test]
fn a_refusal_says_what_to_do() {
    assert_eq!(JwkFault::Bits(1024).to_string(), "the key has 1024 bits; RSA must have 2048 to 8192");
    assert_eq!(
        JwkFault::Private.to_string(),
        "the key has its private part with it: take it back, and make a new one"
    );
    assert_eq!(JwkFault::Json(JsonFault::Duplicate).to_string(), "the key has a member twice");
}
