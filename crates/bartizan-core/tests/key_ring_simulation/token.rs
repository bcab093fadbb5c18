//! A token as our nodes issue it and judge it: the rules for its times are those that the engine makes of a policy.

use std::sync::Arc;

use bartizan_core::{
    Deployment, Timestamp,
    jwt::{Algorithm, Rules, TokenError, VerifySignature, VerifyingKey},
    key_ring::KeyRingConfig,
    policy::{PolicyInput, load_and_build},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

pub(crate) struct Token {
    pub(crate) kid: Box<str>,
    /// By the clock of the node that made it, as the next one is.
    pub(crate) issued: u64,
    pub(crate) expires: u64,
    text: String,
}

impl Token {
    /// Both times are by the clock of the node that makes it, to the millisecond.
    pub(crate) fn new(kid: Box<str>, issued: u64, expires: u64) -> Self {
        let seconds = |millis: u64| format!("{}.{:03}", millis / 1000, millis % 1000);
        let header = format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#);
        let claims = format!(
            r#"{{"iss":"https://a.example","aud":"a","sub":"alice","iat":{},"exp":{}}}"#,
            seconds(issued),
            seconds(expires)
        );
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        let text = format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode([0; 32]));
        Self { kid, issued, expires, text }
    }

    /// What a node whose clock says `now` makes of it, once it knows the key.
    pub(crate) fn judge(&self, rules: &Rules, now: Timestamp) -> Result<(), TokenError> {
        let key = VerifyingKey::new(Algorithm::Hs256, Arc::new(Genuine));
        bartizan_core::jwt::Token::parse(self.text.as_bytes())?.verify(&key, rules, now).map(drop)
    }
}

/// In place of cryptography.
struct Genuine;

impl VerifySignature for Genuine {
    fn verify(&self, _: &[u8], _: &[u8]) -> bool {
        true
    }
}

/// What nodes hold our own tokens to, by a policy with these settings.
pub(crate) fn rules(config: &KeyRingConfig) -> Rules {
    let KeyRingConfig { rotate_every, jwks_max_age, token_lifetime, leeway, skew, .. } = config;
    let written = [
        ("rotate_every", rotate_every),
        ("jwks_max_age", jwks_max_age),
        ("token_lifetime", token_lifetime),
        ("leeway", leeway),
        ("skew", skew),
    ];
    let written = written.map(|(name, span)| format!("{name} = '{}s'\n", span.as_secs())).concat();
    let text = format!(
        "version = 1\norigin.public = ['http://localhost']\ndefault.require = 'jwt'\n\
         [jwt]\nissuer = 'https://a.example'\naudience = 'a'\n{written}"
    );
    let input = PolicyInput { text: &text, ..PolicyInput::new("bartizan.toml") };
    let deployment = Deployment { listen: "127.0.0.1:8080".parse().ok(), ..Deployment::default() };
    let (engine, _) = load_and_build(&input, |_| Ok(deployment)).unwrap();
    engine.issuers().unwrap().ours().clone()
}
