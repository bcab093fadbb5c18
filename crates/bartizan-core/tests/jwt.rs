//! Tokens of the asymmetric algorithms, verified by aws-lc-rs: as published, and as attackers write them (RFC 8725 §2).

use std::sync::Arc;

use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519,
        EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
        RsaPublicKeyComponents, UnparsedPublicKey,
    },
};
use bartizan_core::{
    Timestamp,
    jwt::{
        Algorithm, HmacKey, Jwk, JwkFault, Jws, Malformed, PublicKey, Rules, SecretFault, Token, TokenError,
        VerifySignature, VerifyingKey,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const CLAIMS: &str = r#"{"iss":"https://a.example.com","aud":"api","sub":"alice","exp":1700000300}"#;

/// What verifies with a public key.
struct AwsLc(PublicKey);

impl VerifySignature for AwsLc {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            PublicKey::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point).verify(message, signature),
            PublicKey::P256 { x, y } => {
                let point = [&[4], &x[..], &y[..]].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            PublicKey::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        }
        .is_ok()
    }
}

fn verifying(key: PublicKey) -> VerifyingKey {
    VerifyingKey::new(key.algorithm(), Arc::new(AwsLc(key)))
}

fn jwk(text: &str) -> VerifyingKey {
    verifying(Jwk::parse(text.as_bytes()).unwrap().key)
}

fn hmac_key(text: &str) -> VerifyingKey {
    let secret = HmacKey::new(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
    VerifyingKey::new(Algorithm::Hs256, Arc::new(secret))
}

/// Signs a message.
type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// One key pair of an algorithm, and its public part as others have it.
struct Signer {
    public: PublicKey,
    /// `SubjectPublicKeyInfo`, as in a PEM file.
    der: Vec<u8>,
    sign: Sign,
}

impl Signer {
    fn token(&self, claims: &str) -> String {
        let header = format!(r#"{{"alg":"{}","typ":"at+jwt","kid":"k1"}}"#, self.public.algorithm());
        let input = format!("{}.{}", encode(header), encode(claims));
        format!("{input}.{}", encode((self.sign)(input.as_bytes())))
    }

    fn judge(&self, text: &str) -> Result<(), TokenError> {
        judge(text, &verifying(self.public.clone()))
    }
}

fn ed25519() -> Signer {
    let pair = Ed25519KeyPair::generate().unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    Signer {
        public: PublicKey::Ed25519(pair.public_key().as_ref().try_into().unwrap()),
        der: der.as_ref().to_vec(),
        sign: Box::new(move |message| pair.sign(message).as_ref().to_vec()),
    }
}

fn p256() -> Signer {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let point = pair.public_key().as_ref();
    Signer {
        public: PublicKey::P256 { x: point[1..33].try_into().unwrap(), y: point[33..].try_into().unwrap() },
        der: der.as_ref().to_vec(),
        sign: Box::new(move |message| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()),
    }
}

fn rsa() -> Signer {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    // `SEQUENCE { INTEGER n, INTEGER e }` (RFC 8017 A.1.1): four bytes, four more and a zero before n; e is 65537.
    let components = pair.public_key().as_ref();
    assert_eq!(components[components.len() - 5..], [2, 3, 1, 0, 1]);
    Signer {
        public: PublicKey::Rsa { n: components[9..9 + 256].into(), e: [1, 0, 1].into() },
        der: der.as_ref().to_vec(),
        sign: Box::new(move |message| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
            signature
        }),
    }
}

fn encode(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

fn judge(text: &str, key: &VerifyingKey) -> Result<(), TokenError> {
    let rules = Rules::new("https://a.example.com", "api");
    Token::parse(text.as_bytes())?.verify(key, &rules, NOW).map(|_| ())
}

/// Of RFC 7515 A.1 to A.3.
const JOE: &str = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
const JOE_ENCODED: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

/// Of RFC 7520 §4.
const FRODO: &str = "It’s a dangerous business, Frodo, going out your door. You step onto the road, and if you don't \
                     keep your feet, there’s no knowing where you might be swept off to.";

#[test]
fn what_was_published_verifies() {
    let joe = |header: &str, signature: &str| format!("{header}.{JOE_ENCODED}.{signature}");
    let frodo = |header: &str, signature: &str| format!("{}.{}.{signature}", encode(header), encode(FRODO));
    for (name, text, key, payload) in [
        (
            "RFC 7515 A.1",
            joe("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            hmac_key("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
            JOE,
        ),
        (
            "RFC 7515 A.2",
            joe(
                "eyJhbGciOiJSUzI1NiJ9",
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
            ),
            jwk(r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#),
            JOE,
        ),
        (
            "RFC 7515 A.3",
            joe(
                "eyJhbGciOiJFUzI1NiJ9",
                "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
            ),
            jwk(RFC_7515_A_3),
            JOE,
        ),
        (
            "RFC 8037 A.4",
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg".into(),
            jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#),
            "Example of Ed25519 signing",
        ),
        (
            "RFC 7520 §4.1",
            frodo(
                r#"{"alg":"RS256","kid":"bilbo.baggins@hobbiton.example"}"#,
                "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg",
            ),
            // RFC 7520 §3.3.
            jwk(r#"{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw","e":"AQAB"}"#),
            FRODO,
        ),
        (
            "RFC 7520 §4.4",
            frodo(
                r#"{"alg":"HS256","kid":"018c0ae5-4d9b-471b-bfd6-eef314bc7037"}"#,
                "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0",
            ),
            hmac_key("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"),
            FRODO,
        ),
    ] {
        let jws = Jws::parse(text.as_bytes()).unwrap();
        assert_eq!(jws.algorithm(), key.algorithm(), "{name}");
        assert_eq!(jws.verify(&key), Ok(payload.as_bytes()), "{name}");
        // As tokens of ours they are refused: for another's issuer, or because their payload is prose.
        let refused = judge(&text, &key.with_legacy_tokens());
        let expected = if payload == JOE { TokenError::Issuer.code() } else { "jwt.malformed" };
        assert_eq!(refused.unwrap_err().code(), expected, "{name}");
    }
}

const RFC_7515_A_3: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

#[test]
fn what_was_published_in_forms_that_are_not_ours_is_refused() {
    let frodo = encode(FRODO);
    for (name, text, expected) in [
        // RFC 7520 §4.2 and §4.3 by their headers, RFC 7515 A.4 to A.6.
        (
            "PS384",
            format!("{}.{frodo}.AAAA", encode(r#"{"alg":"PS384","kid":"bilbo.baggins@hobbiton.example"}"#)),
            TokenError::Algorithm,
        ),
        ("ES512", format!("eyJhbGciOiJFUzUxMiJ9.{JOE_ENCODED}.AAAA"), TokenError::Algorithm),
        ("unsecured", format!("eyJhbGciOiJub25lIn0.{JOE_ENCODED}."), TokenError::Algorithm),
        (
            "the JSON form",
            format!(r#"{{"payload":"{JOE_ENCODED}","signatures":[]}}"#),
            Malformed::Form.into(),
        ),
        // RFC 7515 Appendix E: `crit` with what nobody understands.
        (
            "crit",
            format!(
                "eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQogImh0dHA6Ly9leGFtcGxlLmNvbS9VTkRFRklORUQiOnRydWUNCn0.{JOE_ENCODED}."
            ),
            Malformed::Critical.into(),
        ),
        // RFC 7797 §4.2.
        ("b64", "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19..A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY".into(), Malformed::Unencoded.into()),
        // RFC 7516 A.2, shortened.
        ("encrypted", "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.UGhJ.AxY8.KDlT.9hH0".into(), Malformed::Encrypted.into()),
    ] {
        assert_eq!(Jws::parse(text.as_bytes()).map(|_| ()), Err(expected), "{name}");
    }
}

#[test]
fn a_token_of_each_algorithm_is_accepted_and_each_changed_byte_refused() {
    for signer in [ed25519(), p256(), rsa()] {
        let algorithm = signer.public.algorithm();
        let good = signer.token(CLAIMS);
        assert_eq!(signer.judge(&good), Ok(()), "{algorithm}");
        let parts: Vec<Vec<u8>> = good.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
        for part in 0..3 {
            for index in 0..parts[part].len() {
                let mut parts = parts.clone();
                parts[part][index] ^= 1 << (index % 8);
                let text = parts.iter().map(encode).collect::<Vec<_>>().join(".");
                let refused = signer.judge(&text).unwrap_err();
                assert!(
                    part != 2 || refused == TokenError::Signature,
                    "{algorithm} {part} {index} {refused}"
                );
            }
        }
        let key = verifying(signer.public.clone());
        for other in [ed25519(), p256(), rsa()] {
            let expected = if other.public.algorithm() == algorithm {
                TokenError::Signature
            } else {
                TokenError::Algorithm
            };
            assert_eq!(judge(&other.token(CLAIMS), &key), Err(expected), "{algorithm}");
        }
    }
}

#[test]
fn a_public_key_is_no_secret() {
    for signer in [ed25519(), p256(), rsa()] {
        let algorithm = signer.public.algorithm();
        let jwk = serde_json::to_string(&Jwk::new(signer.public.clone())).unwrap();
        let pem = pem(&signer.der);
        let raw = match &signer.public {
            PublicKey::Ed25519(x) | PublicKey::P256 { x, .. } => x.to_vec(),
            PublicKey::Rsa { n, .. } => n.to_vec(),
        };
        for (name, secret) in [
            ("PEM", pem.as_bytes()),
            ("PEM without its last line feed", pem.trim_end().as_bytes()),
            ("PEM with CRLF", pem.replace('\n', "\r\n").as_bytes()),
            ("DER", &signer.der),
            ("JWK", jwk.as_bytes()),
            ("number", &raw),
            ("base64url of the number", encode(&raw).as_bytes()),
            ("nothing", b""),
        ] {
            let mac = |input: &str| {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                format!("{input}.{}", encode(hmac::sign(&key, input.as_bytes())))
            };
            let input = |alg: &str| {
                let header = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"k1"}}"#);
                format!("{}.{}", encode(header), encode(CLAIMS))
            };
            assert_eq!(signer.judge(&mac(&input("HS256"))), Err(TokenError::Algorithm), "{algorithm} {name}");
            let honest = mac(&input(algorithm.as_str()));
            assert_eq!(signer.judge(&honest), Err(TokenError::Signature), "{algorithm} {name}");
        }
        // And a key that is for HMAC takes no other's token.
        let secret = VerifyingKey::new(Algorithm::Hs256, Arc::new(HmacKey::new(&[7; 32]).unwrap()));
        assert_eq!(judge(&signer.token(CLAIMS), &secret), Err(TokenError::Algorithm), "{algorithm}");
        assert_eq!(HmacKey::new(pem.as_bytes()).unwrap_err(), SecretFault::Pem);
    }
}

/// A PEM file (RFC 7468 §13).
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// The order of P-256's group (SEC 2 §2.4.2), first byte first.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The order of Ed25519's group (RFC 8032 §5.1), last byte first.
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn a_signature_that_is_none_is_refused() {
    let signer = p256();
    let token = signer.token(CLAIMS);
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = signature.split_at(32);
    let mut one = [0; 32];
    one[31] = 1;
    let der = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let der = der.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    for (name, signature) in [
        // CVE-2022-21449: r and s of zero, and what is zero by the group's order.
        ("all zero", vec![0; 64]),
        ("r of zero", [&[0; 32], s].concat()),
        ("s of zero", [r, &[0; 32]].concat()),
        ("the order twice", [P256_ORDER, P256_ORDER].concat()),
        ("the order and s", [&P256_ORDER, s].concat()),
        ("one twice", [one, one].concat()),
        ("all ones", vec![0xff; 64]),
        ("DER", der.as_ref().to_vec()),
        ("its own numbers as DER", ecdsa_der(r, s)),
        ("the numbers swapped", [s, r].concat()),
        ("a byte more", [&signature[..], &[0]].concat()),
        ("a byte less", signature[..63].to_vec()),
        ("nothing", vec![]),
        ("numbers of P-384's length", [&[0; 16], r, &[0; 16], s].concat()),
    ] {
        let text = format!("{input}.{}", encode(signature));
        assert_eq!(signer.judge(&text), Err(TokenError::Signature), "{name}");
    }

    let signer = ed25519();
    let token = signer.token(CLAIMS);
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut neutral = [0; 64];
    neutral[0] = 1;
    for (name, signature) in [
        ("all zero", vec![0; 64]),
        ("the neutral point", neutral.to_vec()),
        // RFC 8032 §8.4: the same number, by the group's order, spelt another way.
        ("its number and the order", [&signature[..32], &sum(&signature[32..], &ED25519_ORDER)].concat()),
        ("a byte less", signature[..63].to_vec()),
        ("a byte more", [&signature[..], &[0]].concat()),
    ] {
        let text = format!("{input}.{}", encode(signature));
        assert_eq!(signer.judge(&text), Err(TokenError::Signature), "EdDSA, {name}");
    }

    let signer = rsa();
    let token = signer.token(CLAIMS);
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    for (name, signature) in [
        ("zero", vec![0; 256]),
        ("one", [&[0; 255], &[1][..]].concat()),
        ("a zero before", [&[0], &signature[..]].concat()),
        ("a byte less", signature[1..].to_vec()),
        ("nothing", vec![]),
    ] {
        let text = format!("{input}.{}", encode(signature));
        assert_eq!(signer.judge(&text), Err(TokenError::Signature), "RS256, {name}");
    }
}

/// `SEQUENCE { INTEGER r, INTEGER s }`, as certificates have it.
fn ecdsa_der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let sign = if number[zeros] >= 0x80 { &[0][..] } else { &[] };
        let value = [sign, &number[zeros..]].concat();
        [&[2, u8::try_from(value.len()).unwrap()], &value[..]].concat()
    };
    let both = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(both.len()).unwrap()], &both[..]].concat()
}

/// Two numbers, last byte first.
fn sum(one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let add = |(one, other): (&u8, &u8)| {
        let [low, high] = (u16::from(*one) + u16::from(*other) + carry).to_le_bytes();
        carry = u16::from(high);
        low
    };
    one.iter().zip(other).map(add).collect()
}

#[test]
fn a_key_that_is_none_verifies_nothing() {
    let signer = p256();
    let token = signer.token(CLAIMS);
    let PublicKey::P256 { x, y } = signer.public else { panic!("a key of P-256") };
    let off = |bytes: [u8; 32]| {
        let mut bytes = bytes;
        bytes[31] ^= 1;
        bytes
    };
    for (name, x, y) in [
        ("y is another", x, off(y)),
        ("x is another", off(x), y),
        ("swapped", y, x),
        ("zero", [0; 32], [0; 32]),
        ("beyond the field", [0xff; 32], y),
    ] {
        assert_eq!(judge(&token, &verifying(PublicKey::P256 { x, y })), Err(TokenError::Signature), "{name}");
    }
    // RSA of 1024 bits: refused where keys are read, and by whoever calculates.
    let short = vec![0xc5; 128];
    let text = format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, encode(&short));
    assert_eq!(Jwk::parse(text.as_bytes()), Err(JwkFault::Bits(1024)));
    let token = rsa().token(CLAIMS);
    for n in [short, vec![1], vec![]] {
        let key = verifying(PublicKey::Rsa { n: n.into(), e: [1, 0, 1].into() });
        assert_eq!(judge(&token, &key), Err(TokenError::Signature));
    }
    // With an exponent of one, every text would be its own signature.
    let PublicKey::Rsa { n, .. } = rsa().public else { panic!("a key of RSA") };
    let text = format!(r#"{{"kty":"RSA","n":"{}","e":"AQ"}}"#, encode(n));
    assert_eq!(Jwk::parse(text.as_bytes()), Err(JwkFault::Rsa));
}
