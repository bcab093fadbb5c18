//! `Bartizan-Assertion`: who a request comes from, told to the upstream as a signed token (RFC 7519, RFC 8037).
//!
//! The token is good for a minute and for the upstream alone: its type and its audience are its own, and what comes in
//! under its name is stripped like everything that is ours. The upstream verifies it with the public keys at
//! [`JWKS_PATH`](bartizan_core::JWKS_PATH), or believes it because nothing but the gateway can reach it.
//!
//! The keys are Ed25519, derived from the master key by period: all nodes sign with the same one, and a key is published
//! long before it signs.

use std::{cell::RefCell, collections::HashMap};

use aws_lc_rs::{
    digest,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use bartizan_core::{Grant, Principal, Timestamp, keys::Keys, session::SessionKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use serde_json::json;

/// Who the tokens are for.
const AUDIENCE: &str = "bartizan-upstream";

/// What the keys are derived for.
const PURPOSE: &str = "assertion ed25519";

/// How long a token is good, in seconds.
const LIFE: u64 = 60;

/// How much of its life a token must have left to be sent once more, in seconds.
const LEFT: u64 = 30;

/// How many sessions' tokens a thread keeps.
const KEPT: usize = 4096;

/// How many periods ahead keys are published: a gateway that runs for so long without a restart signs with nothing that
/// nobody knows.
const AHEAD: u64 = 12;

/// Makes the tokens of one thread.
pub(crate) struct Assertions {
    keys: Keys,
    issuer: Box<str>,
    signer: RefCell<Option<(u64, Signer)>>,
    tokens: RefCell<HashMap<SessionKey, Token>>,
}

struct Token {
    value: HeaderValue,
    expires: u64,
}

struct Signer {
    pair: Ed25519KeyPair,
    /// The token's first part.
    header: String,
}

impl Assertions {
    pub(crate) fn new(keys: Keys, issuer: &str) -> Self {
        Self { keys, issuer: issuer.into(), signer: RefCell::default(), tokens: RefCell::default() }
    }

    /// The header for a request of a session; `None` where nobody is signed in.
    pub(crate) fn header(&self, grant: &Grant, now: Timestamp) -> Option<HeaderValue> {
        self.kept_or_signed(grant.session()?, grant.principal()?, now.0 / 1000)
    }

    fn kept_or_signed(&self, session: SessionKey, principal: &Principal, now: u64) -> Option<HeaderValue> {
        let mut tokens = self.tokens.borrow_mut();
        if let Some(token) = tokens.get(&session).filter(|token| token.is_good(now)) {
            return Some(token.value.clone());
        }
        let mut value = HeaderValue::try_from(self.sign(principal, now)?).ok()?;
        value.set_sensitive(true);
        if tokens.len() >= KEPT {
            tokens.retain(|_, token| token.is_good(now));
        }
        if tokens.len() < KEPT {
            tokens.insert(session, Token { value: value.clone(), expires: now + LIFE });
        }
        Some(value)
    }

    /// A token for `principal`, good from `now`, in seconds since 1970.
    fn sign(&self, principal: &Principal, now: u64) -> Option<String> {
        let period = Keys::period(Timestamp(now * 1000));
        let mut signer = self.signer.borrow_mut();
        if signer.as_ref().is_none_or(|(of, _)| *of != period) {
            *signer = Some((period, Signer::new(&self.keys, period)?));
        }
        let (_, signer) = signer.as_ref()?;
        let mut claims = json!({
            "iss": &*self.issuer,
            "aud": AUDIENCE,
            "sub": &*principal.subject,
            "iat": now,
            "exp": now + LIFE,
        });
        if !principal.scopes.is_empty() {
            claims["scope"] = principal.scopes.join(" ").into();
        }
        let mut token = format!("{}.{}", signer.header, URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = signer.pair.sign(token.as_bytes());
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Some(token)
    }
}

impl Token {
    /// Whether it may be sent once more. One that was made before the clock stepped back is of a time that has not come:
    /// upstreams would refuse it.
    const fn is_good(&self, now: u64) -> bool {
        now + LEFT <= self.expires && self.expires <= now + LIFE
    }
}

impl Signer {
    fn new(keys: &Keys, period: u64) -> Option<Self> {
        let seed = keys.derive(PURPOSE, period)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).ok()?;
        let header = json!({
            "alg": "EdDSA",
            "kid": thumbprint(pair.public_key().as_ref()),
            "typ": "bartizan-assertion+jwt",
        });
        Some(Self { header: URL_SAFE_NO_PAD.encode(header.to_string()), pair })
    }
}

/// The public keys that assertions are verified with, each a JWK (RFC 7517 §4): of the period before `now`, of this one,
/// and of a year ahead; of each master key.
pub fn assertion_keys(keys: &Keys, now: Timestamp) -> Vec<Box<str>> {
    let period = Keys::period(now);
    let seeds =
        (period.saturating_sub(1)..=period + AHEAD).flat_map(|period| keys.derive_all(PURPOSE, period));
    seeds
        .filter_map(|seed| Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).ok())
        .map(|pair| {
            let public = pair.public_key().as_ref();
            let jwk = json!({
                "kty": "OKP",
                "crv": "Ed25519",
                "alg": "EdDSA",
                "use": "sig",
                "kid": thumbprint(public),
                "x": URL_SAFE_NO_PAD.encode(public),
            });
            jwk.to_string().into()
        })
        .collect()
}

/// The key's id: its thumbprint (RFC 7638 §3, RFC 8037 §2).
fn thumbprint(public: &[u8]) -> String {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(public));
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    use bartizan_core::policy::CredentialKind;
    use serde_json::Value;

    const NOW: u64 = 1_700_000_000;

    fn keys(text: &str) -> Keys {
        Keys::new(&[text.as_bytes()]).unwrap()
    }

    fn alice(scopes: &[&str]) -> Principal {
        Principal {
            subject: "alice".into(),
            issuer: None,
            kind: CredentialKind::Session,
            scopes: scopes.iter().map(|scope| (*scope).into()).collect(),
        }
    }

    fn decoded(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    /// The claims, if a key of the set verifies the token.
    fn assertion_jwks(keys: &Keys, now: Timestamp) -> String {
        format!(r#"{{"keys":[{}]}}"#, assertion_keys(keys, now).join(","))
    }

    fn verified(token: &str, jwks: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let jwks: Value = serde_json::from_str(jwks).unwrap();
        let key = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == decoded(header)["kid"])?;
        let public = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
        let key = UnparsedPublicKey::new(&ED25519, public);
        key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).ok()?;
        Some(decoded(claims))
    }

    #[test]
    fn a_token_says_who_for_a_minute_and_for_the_upstream_alone() {
        let keys = keys("0123456789abcdef0123456789abcdef");
        let assertions = Assertions::new(keys.clone(), "https://api.example.com");
        let token = assertions.sign(&alice(&["read", "write"]), NOW).unwrap();
        let expected = json!({
            "iss": "https://api.example.com",
            "aud": "bartizan-upstream",
            "sub": "alice",
            "iat": NOW,
            "exp": NOW + 60,
            "scope": "read write",
        });
        assert_eq!(verified(&token, &assertion_jwks(&keys, Timestamp(NOW * 1000))), Some(expected));
        let header = decoded(token.split('.').next().unwrap());
        assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("bartizan-assertion+jwt")));
        let without = verified(
            &assertions.sign(&alice(&[]), NOW).unwrap(),
            &assertion_jwks(&keys, Timestamp(NOW * 1000)),
        );
        assert!(without.unwrap().get("scope").is_none());
    }

    #[test]
    fn a_token_is_sent_again_for_half_of_its_life_and_not_before_its_time() {
        let keys = keys("0123456789abcdef0123456789abcdef");
        let assertions = Assertions::new(keys.clone(), "i");
        let session = SessionKey::of(b"alice's");
        // The last of them after the clock has stepped back, and forward again.
        for (now, issued) in [(0, 0), (1, 0), (30, 0), (31, 31), (31 - 3600, 31 - 3600), (31, 31)] {
            let now = NOW.checked_add_signed(now).unwrap();
            let token = assertions.kept_or_signed(session, &alice(&[]), now).unwrap();
            let claims =
                verified(token.to_str().unwrap(), &assertion_jwks(&keys, Timestamp(NOW * 1000))).unwrap();
            assert_eq!(claims["iat"].as_i64(), Some(issued + i64::try_from(NOW).unwrap()), "{now}");
        }
        let bob = assertions.kept_or_signed(SessionKey::of(b"bob's"), &alice(&[]), NOW).unwrap();
        assert!(bob.is_sensitive());
    }

    #[test]
    fn every_byte_of_a_token_counts() {
        let keys = keys("0123456789abcdef0123456789abcdef");
        let jwks = assertion_jwks(&keys, Timestamp(NOW * 1000));
        let token = Assertions::new(keys, "i").sign(&alice(&[]), NOW).unwrap();
        let (start, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for at in 0..signature.len() {
            let mut tampered = signature.clone();
            tampered[at] ^= 1;
            assert_eq!(
                verified(&format!("{start}.{}", URL_SAFE_NO_PAD.encode(tampered)), &jwks),
                None,
                "{at}"
            );
        }
        let (header, _) = start.split_once('.').unwrap();
        let forged = URL_SAFE_NO_PAD.encode(json!({ "sub": "admin" }).to_string());
        assert_eq!(
            verified(&format!("{header}.{forged}.{}", URL_SAFE_NO_PAD.encode(signature)), &jwks),
            None
        );
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_after() {
        let (one, other) =
            (keys("0123456789abcdef0123456789abcdef"), keys("fedcba9876543210fedcba9876543210"));
        let token = Assertions::new(one.clone(), "i").sign(&alice(&[]), NOW).unwrap();
        let days = |days: u64| Timestamp((NOW + days * 24 * 3600) * 1000);
        for ago in [0, 30, 360] {
            let published = Timestamp(days(0).0 - ago * 24 * 3600 * 1000);
            assert!(verified(&token, &assertion_jwks(&one, published)).is_some(), "{ago}");
        }
        assert!(verified(&token, &assertion_jwks(&one, days(30))).is_some());
        assert!(verified(&token, &assertion_jwks(&one, days(90))).is_none());
        assert!(verified(&token, &assertion_jwks(&other, days(0))).is_none());
        // A master key that is on its way out still verifies.
        let both =
            Keys::new(&[b"fedcba9876543210fedcba9876543210", b"0123456789abcdef0123456789abcdef"]).unwrap();
        assert!(verified(&token, &assertion_jwks(&both, days(0))).is_some());
    }
}
