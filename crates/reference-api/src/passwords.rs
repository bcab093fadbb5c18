//! Until the sink has landed.
use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    at_once: Arc<Semaphore>,
}

#[derive(Clone)]
pub(crate) struct PasswordHash(String);

impl PasswordHash {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        phc::PasswordHash::new(text).ok().map(|_| Self(text.to_owned()))
    }
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$q83vEjRWeJASNFZ4kKvN7xI0VniQEjRWeJCrze8SNFY";

impl Passwords {
    pub(crate) fn new(at_once: usize) -> Self {
        Self { at_once: Arc::new(Semaphore::new(at_once)) }
    }
    pub(crate) async fn hash(&self, password: &SecretString) -> Option<PasswordHash> {
        let _permit = self.at_once.acquire().await.ok()?;
        let password = password.clone();
        tokio::task::spawn_blocking(move || {
            Argon2::default()
                .hash_password(password.expose_secret().as_bytes())
                .ok()
                .map(|hash| PasswordHash(hash.to_string()))
        })
        .await
        .ok()?
    }
    pub(crate) async fn verify(&self, password: &SecretString, hash: Option<&PasswordHash>) -> bool {
        let Ok(_permit) = self.at_once.acquire().await else { return false };
        let is_known = hash.is_some();
        let hash = hash.map_or(NOBODY.to_owned(), |hash| hash.0.clone());
        let password = password.clone();
        let verified = tokio::task::spawn_blocking(move || {
            phc::PasswordHash::new(&hash).is_ok_and(|hash| {
                Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash).is_ok()
            })
        });
        verified.await.unwrap_or(false) && is_known
    }
}
