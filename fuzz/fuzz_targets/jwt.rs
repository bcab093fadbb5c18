//! Tokens: accepted where a second reading accepts them, and nothing that can be read in two ways.

#![no_main]

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use bartizan_core::{
    Timestamp,
    jwt::{
        Algorithm, HmacKey, JsonFault, JwkSet, Malformed, Part, Rules, Token, TokenError, VerifiedToken,
        VerifyingKey,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

const NOW: u64 = 1_700_000_000_000;
const LEEWAY: u64 = 60_000;
const ISSUER: &str = "https://a.example.com";

static SECRET: LazyLock<HmacKey> =
    LazyLock::new(|| HmacKey::new(&[7; 32]).unwrap_or_else(|fault| panic!("a good secret: {fault}")));
static KEY: LazyLock<VerifyingKey> =
    LazyLock::new(|| VerifyingKey::new(Algorithm::Hs256, Arc::new(SECRET.clone())));

fuzz_target!(|data: &[u8]| {
    // Nobody but the key's holder makes a token, whatever it is.
    assert!(judge(data).is_err(), "{}", data.escape_ascii());
    keys(data);
    // Two lines, header and claims, become a token with a good signature.
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    if let (Some(header), Some(claims)) = (parts.next(), parts.next()) {
        token(header, claims);
    }
});

fn judge(text: &[u8]) -> Result<VerifiedToken, TokenError> {
    let mut rules = Rules::new(ISSUER, "api");
    rules.leeway = Duration::from_millis(LEEWAY);
    Token::parse(text)?.verify(&KEY, &rules, Timestamp(NOW))
}

fn token(header: &[u8], claims: &[u8]) {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let text = format!("{input}.{}", URL_SAFE_NO_PAD.encode(SECRET.sign(input.as_bytes())));
    let shown = || format!("{}\n{}", header.escape_ascii(), claims.escape_ascii());
    let second = Reading::of(header, claims);
    match judge(text.as_bytes()) {
        Ok(token) => {
            let Some(second) = second else { panic!("accepted here alone: {}", shown()) };
            assert_eq!(second, Reading::ours(&token), "{}", shown());
            assert_eq!(&*token.claims, claims);
            for part in [header, claims] {
                assert!(!loses_members(part) && depth(part) <= 16, "{}", shown());
            }
        }
        Err(TokenError::Malformed(Malformed::Json(
            part,
            fault @ (JsonFault::Duplicate | JsonFault::Deep),
        ))) => {
            let text = if part == Part::Header { header } else { claims };
            // Where JSON is broken further on, the second reading has nothing to compare with.
            if serde_json::from_slice::<Value>(text).is_ok() {
                let right = if fault == JsonFault::Deep { depth(text) > 16 } else { loses_members(text) };
                assert!(right, "{fault}: {}", shown());
            }
        }
        Err(TokenError::Malformed(Malformed::Long)) => assert!(text.len() > 8192),
        Err(refusal) => assert!(second.is_none(), "refused here alone, {refusal}: {}", shown()),
    }
}

/// What a token says, as a careless reader finds it in [`Value`]s.
#[derive(Debug, PartialEq)]
struct Reading {
    subject: String,
    scopes: Vec<String>,
    jti: Option<String>,
    issued: Option<u64>,
    expires: u64,
}

impl Reading {
    fn ours(token: &VerifiedToken) -> Self {
        Self {
            subject: token.subject.to_string(),
            scopes: token.scopes.iter().map(ToString::to_string).collect(),
            jti: token.jti.as_ref().map(ToString::to_string),
            issued: token.issued.map(|time| time.0),
            expires: token.expires.0,
        }
    }

    /// `None` where the token is to be refused.
    fn of(header: &[u8], claims: &[u8]) -> Option<Self> {
        let header: Map<String, Value> = serde_json::from_slice(header).ok()?;
        let claims: Map<String, Value> = serde_json::from_slice(claims).ok()?;
        let kid = header.get("kid")?.as_str()?;
        let typ = header.get("typ")?.as_str()?.to_ascii_lowercase();
        let cty = header.get("cty").map(|cty| cty.as_str().map(str::to_ascii_lowercase));
        let good = header.get("alg")? == "HS256"
            && matches!(kid.len(), 1..=128)
            && kid.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
            && ["at+jwt", "application/at+jwt"].contains(&&*typ)
            && !matches!(&cty, Some(None))
            && !matches!(cty.flatten().as_deref(), Some("jwt" | "application/jwt"))
            && ["crit", "b64", "enc"].iter().all(|name| !header.contains_key(*name));
        let text = |name: &str| -> Option<Option<String>> {
            let Some(value) = claims.get(name) else { return Some(None) };
            let text = value.as_str()?;
            let good = matches!(text.len(), 1..=256) && text.chars().all(|letter| !letter.is_control());
            good.then(|| Some(text.to_owned()))
        };
        let time = |name: &str| -> Option<Option<u64>> {
            let Some(value) = claims.get(name) else { return Some(None) };
            let seconds = value.as_f64()?;
            let good = !seconds.is_sign_negative() && seconds <= 253_402_300_799.0;
            good.then(|| {
                Some(value.as_u64().map_or((seconds * 1000.0 + 0.5) as u64, |seconds| seconds * 1000))
            })
        };
        let audience = match claims.get("aud")? {
            Value::String(text) => text == "api",
            Value::Array(list) => list.iter().all(Value::is_string) && list.iter().any(|text| text == "api"),
            _ => false,
        };
        let (not_before, issued, expires) = (time("nbf")?, time("iat")?, time("exp")??);
        let timely = NOW < expires + LEEWAY
            && [not_before, issued].into_iter().flatten().all(|from| from <= NOW + LEEWAY);
        // What is of a wrong type is refused even where the other one counts.
        let scp = claims.get("scp").map(scopes);
        let scope = claims.get("scope").map(|scope| scope.as_str().and_then(|_| scopes(scope)));
        if [&scp, &scope].contains(&&Some(None)) {
            return None;
        }
        let scopes = scope.or(scp).flatten().unwrap_or_default();
        let subject = text("sub")??;
        let ours = text("iss")?? == ISSUER;
        let jti = text("jti")?;
        (good && audience && timely && ours).then_some(Self { subject, scopes, jti, issued, expires })
    }
}

fn scopes(value: &Value) -> Option<Vec<String>> {
    let list: Vec<&str> = match value {
        Value::String(text) => text.split(' ').filter(|scope| !scope.is_empty()).collect(),
        Value::Array(list) => list.iter().map(Value::as_str).collect::<Option<_>>()?,
        _ => return None,
    };
    let good = |scope: &&str| {
        !scope.is_empty()
            && scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    };
    list.iter().all(good).then(|| list.into_iter().map(str::to_owned).collect())
}

/// Whether a reader that keeps one of two equal names keeps less than was written.
fn loses_members(text: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(text) else { return false };
    let written = value.to_string();
    structure(text).filter(|byte| *byte == b':').count()
        != structure(written.as_bytes()).filter(|byte| *byte == b':').count()
}

fn depth(text: &[u8]) -> usize {
    let mut depth = 0_usize;
    structure(text)
        .map(|byte| {
            match byte {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth
        })
        .max()
        .unwrap_or(0)
}

/// What stands outside of texts.
fn structure(text: &[u8]) -> impl Iterator<Item = u8> {
    let (mut inside, mut escaped) = (false, false);
    text.iter().copied().filter(move |byte| {
        if inside {
            inside = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            return false;
        }
        inside = *byte == b'"';
        !inside
    })
}

/// A set of keys that was read is written as the same set, and no private part is in it.
fn keys(data: &[u8]) {
    let Ok(set) = JwkSet::parse(data) else { return };
    let Ok(written) = serde_json::to_string(&set) else { panic!("a set cannot be written: {set:?}") };
    let read = JwkSet::parse(written.as_bytes());
    assert_eq!(read, Ok(JwkSet { keys: set.keys.clone(), skipped: Vec::new() }), "{written}");
    for key in &set.keys {
        assert_eq!(key.key.thumbprint().len(), 43);
        assert!(!key.key.algorithm().is_symmetric());
    }
}
