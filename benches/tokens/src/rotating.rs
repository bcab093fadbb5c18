//! How long it is from a change of one node's key ring until another node verifies by it.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use bartizan::{
    jwt::{Algorithm, ImportedKey},
    policy::CredentialKind,
};
use bartizan_core::{Timestamp, key_ring::ImportUse};
use bartizan_store::{MemoryLimits, MemoryStore, Store};

use crate::node::Node;

/// A round is an hour long by the clock that the nodes are given, so that each standby is known before it takes over.
const ROUND: Duration = Duration::from_hours(1);

/// The seconds of all rounds.
#[derive(Clone, Debug, Default)]
pub struct Seconds {
    /// For the standby that takes over by a rotation.
    pub rotated: Vec<f64>,
    /// For a key that the other node has never heard of.
    pub brought: Vec<f64>,
}

/// Measures two nodes over one ring, each with its own connections to the store.
///
/// # Errors
///
/// Says which token was not good on the other node, or what failed.
pub async fn rounds(stores: [Arc<dyn Store>; 2], rounds: usize) -> Result<Seconds, Box<dyn Error>> {
    let mut now = Timestamp(1_800_000_000_000);
    let [here, there] = stores;
    let (here, there) = (open(here, now).await, open(there, now).await);
    let mut seconds = Seconds::default();
    // Once more, whose times are left out: connections are cold.
    for round in 0..=rounds {
        now = now.after(ROUND);
        here.ring.refresh(now).await?;
        there.ring.refresh(now).await?;

        let began = Instant::now();
        here.ring.rotate(now).await?;
        let token = here.issue(now).token;
        if !there.admits(&token, now).await {
            return Err("a token of a key that was rotated to is not good on the other node".into());
        }
        let rotated = began.elapsed();

        // A node that has just asked does not ask again.
        let now = now.after(Duration::from_secs(10));
        let other = open(Arc::new(MemoryStore::new(MemoryLimits::default())), now).await;
        let token = other.issue(now).token;
        let key = ImportedKey::from_jwk(&other.verifies_with(now))?;
        let until = now.after(Duration::from_mins(30));
        let began = Instant::now();
        here.ring.import(key, ImportUse::Verifies { until }, now).await?;
        if !there.admits(&token, now).await {
            return Err("a token of a key that was imported is not good on the other node".into());
        }
        if round > 0 {
            seconds.rotated.push(rotated.as_secs_f64());
            seconds.brought.push(began.elapsed().as_secs_f64());
        }
    }
    Ok(seconds)
}

async fn open(store: Arc<dyn Store>, now: Timestamp) -> Node {
    Node::open(store, Algorithm::EdDsa, CredentialKind::Jwt, now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_is_good_on_the_other_node() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(MemoryLimits::default()));
        let seconds = runtime.block_on(rounds([Arc::clone(&store), store], 3)).unwrap();
        assert_eq!((seconds.rotated.len(), seconds.brought.len()), (3, 3));
        // Each with a ring of its own: nothing is known on the other node.
        let stores: [Arc<dyn Store>; 2] =
            [(); 2].map(|()| Arc::new(MemoryStore::new(MemoryLimits::default())) as _);
        assert!(runtime.block_on(rounds(stores, 1)).is_err());
    }
}
