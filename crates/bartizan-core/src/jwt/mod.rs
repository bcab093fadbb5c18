//! Tokens (JWT, RFC 7519) and the keys that verify them.
//!
//! A token is read ([`Token::parse`]), its key is looked up by its issuer and its `kid`, and it is judged by that key and
//! that issuer's [`Rules`] ([`Token::verify`]). Nothing here fetches a key or reads a clock. Who has no library for the
//! asymmetric algorithms at hand can verify HS256; for the others, the key brings its own ([`VerifySignature`]).
//!
//! The checklist is RFC 8725: a key has one algorithm and a token cannot choose another; only the compact form is read,
//! in its one spelling; no member is twice in an object; nothing that must be understood is ignored; what kind of token
//! it is, whose, for whom and until when is always asked.
//!
//! ```
//! use std::sync::Arc;
//! use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
//! use bartizan_core::{Timestamp, jwt::{Algorithm, HmacKey, Rules, Token, TokenError, VerifyingKey}};
//!
//! let secret = HmacKey::new(b"0123456789abcdef0123456789abcdef").unwrap();
//! # let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"at+jwt","kid":"2026-11"}"#);
//! # let claims = r#"{"iss":"https://api.example.com","aud":"api","sub":"alice","exp":1700000300,"scope":"read"}"#;
//! # let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
//! # let text = format!("{input}.{}", URL_SAFE_NO_PAD.encode(secret.sign(input.as_bytes())));
//! // let text = "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IjIwMjYtMTEifQ.eyJpc3MiOiJodHRwczovL2Fw…";
//! let token = Token::parse(text.as_bytes())?;
//! assert_eq!((token.issuer(), token.kid()), (Some("https://api.example.com"), Some("2026-11")));
//!
//! let key = VerifyingKey::new(Algorithm::Hs256, Arc::new(secret));
//! let rules = Rules::new("https://api.example.com", "api");
//! let token = token.verify(&key, &rules, Timestamp(1_700_000_000_000))?;
//! assert_eq!((&*token.subject, &token.scopes[..]), ("alice", &["read".into()][..]));
//!
//! let late = Token::parse(text.as_bytes())?.verify(&key, &rules, Timestamp(1_700_000_360_000));
//! assert_eq!(late.unwrap_err().to_string(), "it expired 60 s ago; a new token is to be had");
//! # Ok::<(), TokenError>(())
//! ```

mod algorithm;
mod claims;
mod error;
mod hs256;
mod issuer;
mod issuer_metadata;
mod json;
mod jwk;
mod jwk_set;
mod jws;
mod key;
mod rules;
mod token;

pub use algorithm::Algorithm;
pub use error::{ClaimFault, Malformed, Part, TokenError};
pub use hs256::{HmacKey, SECRET_BYTES, SecretFault};
pub use issuer::{IssuerError, IssuerId, Issuers, KeySource, TrustedIssuer};
pub use issuer_metadata::{IssuerMetadata, IssuerMetadataFault};
pub use json::JsonFault;
pub use jwk::{Jwk, JwkFault, PublicKey};
pub use jwk_set::{JwkSet, JwkSetFault};
pub use jws::{Jws, LONGEST};
pub use key::{VerifySignature, VerifyingKey};
pub use rules::{ACCESS_TOKEN, LEEWAY, Rules};
pub use token::{Token, VerifiedToken};
