//! The store in a SQLite file does what every store must do.

use std::{path::PathBuf, sync::Arc};

use bartizan_store::{
    BoxFuture, SqliteStore, Store,
    conformance::{self, Place},
};

/// A file; each store on it has connections of its own.
struct Disk {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Place for Disk {
    fn store(&self) -> BoxFuture<'_, Arc<dyn Store>> {
        Box::pin(async { Arc::new(SqliteStore::open(&self.path).await.unwrap()) as Arc<dyn Store> })
    }

    fn restart(&self) -> Option<BoxFuture<'_, ()>> {
        Some(Box::pin(std::future::ready(())))
    }

    fn forgets_by_itself(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    conformance::run(async || {
        let folder = tempfile::tempdir().unwrap();
        Disk { path: folder.path().join("bartizan.sqlite"), _folder: folder }
    })
    .await;
}
