//! The cases that every store must pass, each in a database of its own.

use std::sync::{Arc, Mutex};

use bartizan_peers::Postgres;
use bartizan_store::{
    BoxFuture, Store,
    conformance::{self, Place},
};

use super::{execute, store};

/// A database of a server that a case may restart.
struct Database {
    server: Arc<Mutex<Postgres>>,
    name: String,
}

impl Place for Database {
    fn store(&self) -> BoxFuture<'_, Arc<dyn Store>> {
        let url = self.server.lock().unwrap().url(&self.name);
        Box::pin(async move { Arc::new(store(&url).await) as Arc<dyn Store> })
    }

    fn restart(&self) -> Option<BoxFuture<'_, ()>> {
        Some(Box::pin(async {
            let mut server = self.server.lock().unwrap();
            server.kill();
            server.start_again();
        }))
    }

    fn forgets_by_itself(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let Some(server) = Postgres::start() else { return };
    let server = Arc::new(Mutex::new(server));
    let mut count = 0;
    conformance::run(async || {
        count += 1;
        let name = format!("case_{count}");
        let postgres = server.lock().unwrap().url("postgres");
        // After a crash Postgres syncs every file that there is, so those of the case before go first.
        execute(&postgres, format!("DROP DATABASE IF EXISTS case_{} WITH (FORCE)", count - 1)).await;
        execute(&postgres, format!("CREATE DATABASE {name}")).await;
        Database { server: Arc::clone(&server), name }
    })
    .await;
}
