//! `Bartizan-Assertion`: who a request comes from, told to the upstream as a signed token (RFC 7519, RFC 8037).
//!
//! Every request whose credential was verified has one: of a session, of a token of ours or of a trusted issuer, of an API
//! key. It says what kind of credential that was, ends no later than the credential, and is good for a minute at most and
//! for the upstream alone: its type and its audience are its own, and what comes in under its name is stripped like
//! everything that is ours. The upstream verifies it with the public keys at [`JWKS_PATH`](bartizan_core::JWKS_PATH), or
//! believes it because nothing but the gateway can reach it.
//!
//! The keys are Ed25519, derived from the master key by period: all nodes sign with the same one, and a key is published
//! long before it signs.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use aws_lc_rs::{
    digest,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use bartizan_core::{Grant, Principal, Timestamp, api_key::KeyId, keys::Keys, session::SessionKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use serde_json::{Value, json};

/// Who the tokens are for.
const AUDIENCE: &str = "bartizan-upstream";

/// What the keys are derived for.
const PURPOSE: &str = "assertion ed25519";

/// How long a token is good, in seconds.
const LIFE: u64 = 60;

/// How much of its life a token must have left to be sent once more, in seconds.
const LEFT: u64 = 30;

/// How many credentials' tokens a thread keeps.
const KEPT: usize = 4096;

/// How many periods ahead keys are published: a gateway that runs for so long without a restart signs with nothing that
/// nobody knows.
const AHEAD: u64 = 12;

/// Makes the tokens of one thread.
pub(crate) struct Assertions {
    keys: Keys,
    issuer: Box<str>,
    signer: RefCell<Option<(u64, Signer)>>,
    tokens: RefCell<HashMap<Credential, Token>>,
    /// When those of `tokens` that are over were last looked for.
    swept: Cell<u64>,
}

/// What the principal was verified by. It says all that a token does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Credential {
    Session(SessionKey),
    ApiKey(KeyId),
    /// A token, by the SHA-256 of its claims: its issuer is one of them.
    Jwt([u8; 32]),
}

struct Token {
    value: HeaderValue,
    issued: u64,
    expires: u64,
}

struct Signer {
    pair: Ed25519KeyPair,
    /// The token's first part.
    header: String,
}

impl Assertions {
    pub(crate) fn new(keys: Keys, issuer: &str) -> Self {
        Self {
            keys,
            issuer: issuer.into(),
            signer: RefCell::default(),
            tokens: RefCell::default(),
            swept: Cell::default(),
        }
    }

    /// The header for a request of somebody who was verified; `None` for all others.
    pub(crate) fn header(&self, grant: &Grant, now: Timestamp) -> Option<HeaderValue> {
        let principal = grant.principal()?;
        let credential = Credential::of(grant)?;
        self.kept_or_signed(credential, principal, grant.credential_ends(), now.0 / 1000)
    }

    fn kept_or_signed(
        &self,
        credential: Credential,
        principal: &Principal,
        ends: Option<Timestamp>,
        now: u64,
    ) -> Option<HeaderValue> {
        let expires = ends.map_or(now + LIFE, |ends| (ends.0 / 1000).min(now + LIFE));
        let mut tokens = self.tokens.borrow_mut();
        if let Some(token) = tokens.get(&credential).filter(|token| token.is_good(now, expires)) {
            return Some(token.value.clone());
        }
        let mut value = HeaderValue::try_from(self.sign(principal, now, expires)?).ok()?;
        value.set_sensitive(true);
        // At most once a second, for where all are good it makes no room.
        if tokens.len() >= KEPT && self.swept.replace(now) != now {
            tokens.retain(|_, token| token.issued <= now && now + LEFT <= token.expires);
        }
        if tokens.len() < KEPT || tokens.contains_key(&credential) {
            tokens.insert(credential, Token { value: value.clone(), issued: now, expires });
        }
        Some(value)
    }

    /// A token for `principal`, good from `now` until `expires`, in seconds since 1970.
    fn sign(&self, principal: &Principal, now: u64, expires: u64) -> Option<String> {
        let period = Keys::period(Timestamp(now * 1000));
        let mut signer = self.signer.borrow_mut();
        if signer.as_ref().is_none_or(|(of, _)| *of != period) {
            *signer = Some((period, Signer::new(&self.keys, period)?));
        }
        let (_, signer) = signer.as_ref()?;
        let claims = self.claims(principal, now, expires);
        let mut token = format!("{}.{}", signer.header, URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = signer.pair.sign(token.as_bytes());
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Some(token)
    }

    fn claims(&self, principal: &Principal, now: u64, expires: u64) -> Value {
        let mut claims = json!({
            "iss": &*self.issuer,
            "aud": AUDIENCE,
            "iat": now,
            "exp": expires,
            "credential": principal.kind.as_str(),
        });
        match &principal.issuer {
            None => claims["sub"] = (*principal.subject).into(),
            // RFC 9493 §3.2.3. No `sub`: an upstream that looked at nothing else would take a stranger for ours who has
            // the same name.
            Some(issuer) => {
                claims["sub_id"] =
                    json!({ "format": "iss_sub", "iss": &**issuer, "sub": &*principal.subject });
            }
        }
        if !principal.scopes.is_empty() {
            claims["scope"] = principal.scopes.join(" ").into();
        }
        claims
    }
}

impl Credential {
    fn of(grant: &Grant) -> Option<Self> {
        if let Some(session) = grant.session() {
            return Some(Self::Session(session));
        }
        if let Some(claims) = grant.claims() {
            let digest = digest::digest(&digest::SHA256, claims);
            return digest.as_ref().try_into().ok().map(Self::Jwt);
        }
        grant.api_key().map(|key| Self::ApiKey(key.id))
    }
}

impl Token {
    /// Whether it may be sent once more, where a new one would be good until `expires`. One that was made before the
    /// clock stepped back is of a time that has not come: upstreams would refuse it.
    const fn is_good(&self, now: u64, expires: u64) -> bool {
        let has_time_left = now + LEFT <= self.expires || self.expires == expires;
        self.issued <= now && self.expires <= expires && has_time_left
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
        let token = assertions.sign(&alice(&["read", "write"]), NOW, NOW + LIFE).unwrap();
        let expected = json!({
            "iss": "https://api.example.com",
            "aud": "bartizan-upstream",
            "sub": "alice",
            "iat": NOW,
            "exp": NOW + 60,
            "credential": "session",
            "scope": "read write",
        });
        assert_eq!(verified(&token, &assertion_jwks(&keys, Timestamp(NOW * 1000))), Some(expected));
        let header = decoded(token.split('.').next().unwrap());
        assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("bartizan-assertion+jwt")));
        let without = verified(
            &assertions.sign(&alice(&[]), NOW, NOW + LIFE).unwrap(),
            &assertion_jwks(&keys, Timestamp(NOW * 1000)),
        );
        assert!(without.unwrap().get("scope").is_none());
    }

    #[test]
    fn a_token_says_by_what_and_by_whose_word() {
        let assertions = Assertions::new(keys("0123456789abcdef0123456789abcdef"), "i");
        let of =
            |kind, issuer: Option<&str>| Principal { kind, issuer: issuer.map(Into::into), ..alice(&[]) };
        let others =
            |issuer: &str| json!({ "sub_id": { "format": "iss_sub", "iss": issuer, "sub": "alice" } });
        let ours = json!({ "sub": "alice" });
        for (principal, credential, who) in [
            (of(CredentialKind::Session, None), "session", ours.clone()),
            (of(CredentialKind::ApiKey, None), "api-key", ours.clone()),
            (of(CredentialKind::Jwt, None), "jwt", ours),
            (of(CredentialKind::Jwt, Some("https://a")), "jwt", others("https://a")),
            (of(CredentialKind::Jwt, Some("https://b")), "jwt", others("https://b")),
        ] {
            let mut expected = json!({
                "iss": "i", "aud": "bartizan-upstream", "iat": NOW, "exp": NOW + 60, "credential": credential,
            });
            expected.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
            assert_eq!(assertions.claims(&principal, NOW, NOW + LIFE), expected);
        }
    }

    #[test]
    fn a_token_is_sent_again_for_half_of_its_life_and_not_before_its_time() {
        let keys = keys("0123456789abcdef0123456789abcdef");
        let assertions = Assertions::new(keys.clone(), "i");
        let session = Credential::Session(SessionKey::of(b"alice's"));
        let alice = alice(&[]);
        // Each with when the credential ends, and what the claims then are: from when until when.
        for (now, ends, issued, expires) in [
            (0, None, 0, 60),
            (1, None, 0, 60),
            (30, None, 0, 60),
            (31, None, 31, 91),
            // The clock has stepped back, and forward again.
            (31 - 3600, None, 31 - 3600, 91 - 3600),
            (31, None, 31, 91),
            // The credential ends sooner than it did, and then later.
            (32, Some(80), 32, 80),
            (33, Some(81), 32, 80),
            (79, Some(80), 32, 80),
            (51, Some(81), 51, 81),
            (52, Some(10_000), 52, 112),
            // A clock that stepped back, of a token that is short in any case.
            (60, Some(70), 60, 70),
            (55, Some(70), 55, 70),
        ] {
            let from = |seconds: i64| NOW.checked_add_signed(seconds).unwrap();
            // Nothing of the last second is rounded up.
            let ends = ends.map(|seconds| Timestamp(from(seconds) * 1000 + 999));
            let token = assertions.kept_or_signed(session, &alice, ends, from(now)).unwrap();
            assert!(token.is_sensitive());
            let claims = verified(token.to_str().unwrap(), &assertion_jwks(&keys, Timestamp(NOW * 1000)));
            let claims = claims.unwrap();
            let times = (claims["iat"].as_u64(), claims["exp"].as_u64());
            assert_eq!(times, (Some(from(issued)), Some(from(expires))), "{now}");
        }
    }

    #[test]
    fn no_credential_is_given_the_token_of_another() {
        let assertions = Assertions::new(keys("0123456789abcdef0123456789abcdef"), "i");
        let credentials = [
            Credential::Session(SessionKey::from_bytes([7; 32])),
            Credential::Session(SessionKey::from_bytes([8; 32])),
            Credential::Jwt([7; 32]),
            Credential::Jwt([8; 32]),
            Credential::ApiKey(KeyId::from_bytes([7; 16])),
            Credential::ApiKey(KeyId::from_bytes([8; 16])),
        ];
        let all = credentials.iter().enumerate();
        let tokens: Vec<HeaderValue> = all
            .map(|(number, credential)| {
                let principal = Principal { subject: number.to_string().into(), ..alice(&[]) };
                assertions.kept_or_signed(*credential, &principal, None, NOW).unwrap()
            })
            .collect();
        for (number, (credential, token)) in credentials.iter().zip(&tokens).enumerate() {
            let again = assertions.kept_or_signed(*credential, &alice(&[]), None, NOW).unwrap();
            assert_eq!(again, token);
            let claims = decoded(token.to_str().unwrap().split('.').nth(1).unwrap());
            assert_eq!(claims["sub"], number.to_string());
        }
    }

    #[test]
    fn a_full_room_makes_place_for_others() {
        let assertions = Assertions::new(keys("0123456789abcdef0123456789abcdef"), "i");
        let credential = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            Credential::Jwt(bytes)
        };
        let give =
            |number, now| assertions.kept_or_signed(credential(number), &alice(&[]), None, now).unwrap();
        let is_kept = |number| assertions.tokens.borrow().contains_key(&credential(number));
        for number in 0..KEPT {
            give(number, NOW);
        }
        // Whoever finds no room is given a token all the same.
        give(KEPT, NOW + 1);
        assert!(!is_kept(KEPT));
        give(0, NOW + LIFE - LEFT + 1);
        assert_eq!((is_kept(0), is_kept(1)), (true, false), "all but one were over");
        give(KEPT, NOW + LIFE - LEFT + 1);
        assert!(is_kept(KEPT));
    }

    #[test]
    fn every_byte_of_a_token_counts() {
        let keys = keys("0123456789abcdef0123456789abcdef");
        let jwks = assertion_jwks(&keys, Timestamp(NOW * 1000));
        let token = Assertions::new(keys, "i").sign(&alice(&[]), NOW, NOW + LIFE).unwrap();
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
        let token = Assertions::new(one.clone(), "i").sign(&alice(&[]), NOW, NOW + LIFE).unwrap();
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
