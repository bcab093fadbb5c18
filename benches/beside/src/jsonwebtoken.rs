//! `jsonwebtoken` alone, with the same cryptography as ours: what it takes to verify one token of our ring.

use bartizan::jwt::Algorithm;
use bartizan_benches_tokens::{
    bearing::{self, Member},
    node::{AUDIENCE, ISSUER},
};
use jsonwebtoken::{DecodingKey, TokenData, Validation, decode};

/// A token, and what it is verified with.
#[derive(Debug)]
pub struct Ready {
    token: String,
    key: DecodingKey,
    validation: Validation,
}

impl Ready {
    /// Of a ring whose keys are for `algorithm`; times, issuer and audience are checked.
    ///
    /// # Panics
    ///
    /// If its key is none to `jsonwebtoken`.
    pub fn new(algorithm: Algorithm) -> Self {
        let (token, key) = bearing::token_and_key(algorithm);
        let named = algorithm.as_str().parse().expect("an algorithm");
        let mut validation = Validation::new(named);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        let key = if algorithm.is_symmetric() {
            DecodingKey::from_secret(&key)
        } else {
            DecodingKey::from_jwk(&serde_json::from_slice(&key).expect("a JWK")).expect("a key")
        };
        let ready = Self { token, key, validation };
        for _ in 0..100 {
            drop(ready.verify());
        }
        ready
    }

    /// Verifies the token, and reads of its claims what our handler reads.
    ///
    /// # Panics
    ///
    /// If it is not good.
    pub fn verify(&self) -> TokenData<Member> {
        decode(&self.token, &self.key, &self.validation).expect("the token is good")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_benches_tokens::ALGORITHMS;

    #[test]
    fn a_token_of_ours_is_verified_and_no_other_one_is() {
        for algorithm in ALGORITHMS {
            let mut ready = Ready::new(algorithm);
            assert_eq!(ready.verify().claims.sub, "alice");
            ready.token = Ready::new(algorithm).token;
            assert!(decode::<Member>(&ready.token, &ready.key, &ready.validation).is_err(), "{algorithm}");
        }
    }
}
