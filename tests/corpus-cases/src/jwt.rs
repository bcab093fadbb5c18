//! The tokens (JWT) of the cases: named in the files, made when a case is run, and the keys that they are verified with.

use std::sync::Arc;

use bartizan_core::{
    Timestamp,
    jwt::{Algorithm, HmacKey, IssuerId, VerifySignature, VerifyingKey},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};

/// What has become of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenState {
    /// It was revoked.
    Revoked,
    /// Whether it was revoked cannot be asked.
    Unsure,
    /// Its key was imported from an application that moved here.
    Imported,
}

/// What is published of a key ring: the key of RFC 8037 §A.2.
pub(crate) const PUBLIC_KEY: &str =
    r#"{"kty":"OKP","crv":"Ed25519","kid":"corpus","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// The name of the keys.
const KID: &str = "corpus";

/// `text` with the tokens that it names, with `scopes`; `None` where it names none.
pub(crate) fn fill(text: &[u8], scopes: &[String], now: Timestamp) -> Option<Vec<u8>> {
    let latin1: String = text.iter().copied().map(char::from).collect();
    let (before, after) = latin1.split_once("{jwt")?;
    let (named, after) = after.split_once('}')?;
    let (kind, subject) = named.split_once(':')?;
    let token = mint(kind, subject, scopes, now)?;
    let bytes = |text: &str| text.chars().filter_map(|c| u8::try_from(c).ok()).collect::<Vec<u8>>();
    let after = bytes(after);
    let after = fill(&after, scopes, now).unwrap_or(after);
    Some([bytes(before), token.into_bytes(), after].concat())
}

/// The key that a token of `issuer` is verified with; `None` for a name that no key has.
pub(crate) fn key(issuer: IssuerId, kid: Option<&str>, state: Option<TokenState>) -> Option<VerifyingKey> {
    if issuer != IssuerId::OURS {
        let key = VerifyingKey::new(Algorithm::EdDsa, Arc::new(StandIn(secret(1))));
        return (kid == Some(KID)).then_some(key);
    }
    let key = VerifyingKey::new(Algorithm::Hs256, Arc::new(secret(1)));
    match (state, kid) {
        (Some(TokenState::Imported), None | Some(KID)) => Some(key.with_legacy_tokens()),
        (_, Some(KID)) => Some(key),
        _ => None,
    }
}

/// A token of the kind that a case names.
fn mint(kind: &str, subject: &str, scopes: &[String], now: Timestamp) -> Option<String> {
    let now = now.0 / 1000;
    let mut header = json!({ "alg": "HS256", "typ": "at+jwt", "kid": KID });
    let mut claims = json!({
        "iss": "https://api.example.com",
        "aud": "api",
        "sub": subject,
        "iat": now - 60,
        "exp": now + 600,
        "jti": "7",
        "scope": scopes.join(" "),
    });
    match kind {
        "" | "-forged" | "-cut" => {}
        "-expired" => claims["exp"] = (now - 61).into(),
        "-early" => claims["nbf"] = (now + 3600).into(),
        "-identity" => header["typ"] = "JWT".into(),
        "-misdirected" => claims["aud"] = "other".into(),
        "-endless" => remove(&mut claims, &["exp"]),
        "-unknown" => header["kid"] = "other".into(),
        "-unsigned" => header["alg"] = "none".into(),
        "-confused" => header["alg"] = "ES256".into(),
        "-stranger" => claims["iss"] = "https://stranger.example".into(),
        "-foreign" | "-foreign-secret" => claims["iss"] = "https://login.example.net".into(),
        "-bare" => {
            remove(&mut header, &["kid", "typ"]);
            remove(&mut claims, &["iss", "aud"]);
        }
        _ => return None,
    }
    if kind == "-foreign" {
        header["alg"] = "EdDSA".into();
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = match kind {
        "-forged" => secret(2).sign(signed.as_bytes()).to_vec(),
        "-foreign" => StandIn(secret(1)).sign(signed.as_bytes()).to_vec(),
        // As long as an ES256 signature is.
        "-confused" => [0; 64].to_vec(),
        "-unsigned" => Vec::new(),
        _ => secret(1).sign(signed.as_bytes()).to_vec(),
    };
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    Some(if kind == "-cut" { signed } else { token })
}

fn remove(object: &mut Value, names: &[&str]) {
    let members = object.as_object_mut().expect("an object");
    members.retain(|name, _| !names.contains(&name.as_str()));
}

fn secret(number: u8) -> HmacKey {
    HmacKey::new(&[number; 32]).expect("a secret that is long enough")
}

/// In place of Ed25519, for which this crate has no library: as long, and as hard to forge for who has no secret.
struct StandIn(HmacKey);

impl StandIn {
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mac = self.0.sign(message);
        std::array::from_fn(|place| mac[place % 32])
    }
}

impl VerifySignature for StandIn {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.sign(message) == *signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::jwt::{Rules, Token};

    #[test]
    fn tokens_are_made_wherever_they_are_named() {
        let (now, scopes) = (Timestamp(1_700_000_000_000), ["read".to_owned()]);
        let filled =
            |text: &str| fill(text.as_bytes(), &scopes, now).map(|text| String::from_utf8(text).unwrap());
        let token = filled("{jwt:alice}").unwrap();
        assert_eq!(filled("Bearer {jwt:alice}, {jwt:alice}"), Some(format!("Bearer {token}, {token}")));
        for text in ["{jwt-older:alice}", "{jwt}", "{jwt:alice", "eyJ"] {
            assert_eq!(filled(text), None, "{text}");
        }
        let verified = Token::parse(token.as_bytes()).unwrap().verify(
            &key(IssuerId::OURS, Some("corpus"), None).unwrap(),
            &Rules::new("https://api.example.com", "api"),
            now,
        );
        let verified = verified.unwrap();
        assert_eq!((&*verified.subject, &verified.scopes[..]), ("alice", &["read".into()][..]));
        assert_eq!(key(IssuerId::OURS, None, None), None);
    }
}
