//! The keys of a fetched set, as they are looked up (RFC 7517 §4.5).

use std::collections::{BTreeSet, HashMap};

use bartizan_core::jwt::{Algorithm, JwkSet, VerifyingKey};

use super::super::verifying_key;

/// Keys by `kid`, and under one `kid` by algorithm.
#[derive(Default)]
pub(super) struct KeySet(HashMap<Box<str>, Vec<VerifyingKey>>);

/// What stood in a set and is not used, for the log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unused {
    /// Names that several keys of one algorithm have. None of these is used: which of them signed could only be guessed.
    pub(super) ambiguous: BTreeSet<Box<str>>,
    /// How many have no name. No token can ask for them.
    pub(super) unnamed: usize,
    /// How many are of a kind that we do not verify with, or no keys at all.
    pub(super) useless: usize,
}

impl KeySet {
    pub(super) fn new(set: &JwkSet) -> (Self, Unused) {
        let mut keys: HashMap<Box<str>, Vec<VerifyingKey>> = HashMap::new();
        let mut unused = Unused { useless: set.skipped.len(), ..Unused::default() };
        for (index, jwk) in set.keys.iter().enumerate() {
            let Some(kid) = &jwk.kid else {
                unused.unnamed += 1;
                continue;
            };
            let namesakes =
                || set.keys.iter().enumerate().filter(|(_, other)| other.kid.as_ref() == Some(kid));
            // The same key twice is one key.
            if namesakes().any(|(before, other)| before < index && other == jwk) {
                continue;
            }
            if namesakes().any(|(_, other)| other != jwk && other.key.algorithm() == jwk.key.algorithm()) {
                unused.ambiguous.insert(kid.clone());
                continue;
            }
            match verifying_key(&jwk.key) {
                Ok(key) => keys.entry(kid.clone()).or_default().push(key),
                Err(_) => unused.useless += 1,
            }
        }
        (Self(keys), unused)
    }

    /// The key named `kid` that is for `algorithm`. Where all of that name are for others, one of them: the token is
    /// then refused for its algorithm, and nobody is asked for a key that we do have.
    pub(super) fn find(&self, kid: &str, algorithm: Algorithm) -> Option<&VerifyingKey> {
        let keys = self.0.get(kid)?;
        keys.iter().find(|key| key.algorithm() == algorithm).or(keys.first())
    }

    /// Whether there is a key of this name.
    pub(super) fn has(&self, kid: &str) -> bool {
        self.0.contains_key(kid)
    }

    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::SigningKey;
    use bartizan_core::jwt::{Jwk, JwkFault, PublicKey};

    fn jwk(algorithm: Algorithm, kid: Option<&str>) -> Jwk {
        let key = SigningKey::generate(algorithm).unwrap().public().unwrap();
        Jwk { key, kid: kid.map(Into::into) }
    }

    #[test]
    fn a_key_is_found_by_its_name_and_algorithm() {
        let (ed, p256) = (jwk(Algorithm::EdDsa, Some("a")), jwk(Algorithm::Es256, Some("a")));
        let twice = jwk(Algorithm::EdDsa, Some("twice"));
        let named = vec![
            ed,
            p256,
            jwk(Algorithm::Es256, Some("b")),
            twice.clone(),
            twice,
            // One name for two keys of one algorithm, and for a third that is told apart from them.
            jwk(Algorithm::EdDsa, Some("two")),
            jwk(Algorithm::EdDsa, Some("two")),
            jwk(Algorithm::Es256, Some("two")),
            jwk(Algorithm::EdDsa, None),
            // Not on the curve.
            Jwk { key: PublicKey::P256 { x: [1; 32], y: [1; 32] }, kid: Some("c".into()) },
        ];
        let set = JwkSet { keys: named, skipped: vec![JwkFault::KeyType] };
        let (keys, unused) = KeySet::new(&set);
        for (kid, algorithm, expected) in [
            ("a", Algorithm::EdDsa, Some(Algorithm::EdDsa)),
            ("a", Algorithm::Es256, Some(Algorithm::Es256)),
            ("a", Algorithm::Rs256, Some(Algorithm::EdDsa)),
            ("A", Algorithm::EdDsa, None),
            ("b", Algorithm::Es256, Some(Algorithm::Es256)),
            ("b", Algorithm::EdDsa, Some(Algorithm::Es256)),
            ("twice", Algorithm::EdDsa, Some(Algorithm::EdDsa)),
            ("two", Algorithm::Es256, Some(Algorithm::Es256)),
            ("two", Algorithm::EdDsa, Some(Algorithm::Es256)),
            ("c", Algorithm::Es256, None),
            ("", Algorithm::EdDsa, None),
        ] {
            let found = keys.find(kid, algorithm).map(VerifyingKey::algorithm);
            assert_eq!(found, expected, "{kid} {algorithm}");
        }
        assert_eq!(keys.len(), 4);
        assert_eq!(unused, Unused { ambiguous: ["two".into()].into(), unnamed: 1, useless: 2 });
    }
}
