//! The store in memory does what every store must do, and stays bounded.

use std::sync::Arc;

use bartizan_store::{
    BoxFuture, MemoryLimits, MemoryStore, Store,
    conformance::{self, Place},
};

struct Memory(Arc<dyn Store>);

impl Place for Memory {
    fn store(&self) -> BoxFuture<'_, Arc<dyn Store>> {
        Box::pin(std::future::ready(Arc::clone(&self.0)))
    }

    fn restart(&self) -> Option<BoxFuture<'_, ()>> {
        None
    }

    fn forgets_by_itself(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    conformance::run(async || Memory(Arc::new(MemoryStore::new(MemoryLimits::default())))).await;
}
