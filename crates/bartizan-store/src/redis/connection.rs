//! The connection: opened when it is needed, opened again when it broke, and never waited for longer than was said.
//!
//! One connection carries all requests of a store at once. The driver's own `ConnectionManager` is not used: where a
//! reconnection fails by anything but the network (the server is loading its data, or does not know the password yet),
//! it gives that answer for ever.

use std::{
    error::Error,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, ServerErrorKind, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster_async::ClusterConnection,
};
use tokio::{sync::Mutex, time::timeout};

use super::{
    config::{Opener, RedisConfig, what},
    script::Call,
    server_info,
};
use crate::StoreError;

/// How long a cluster's connection is left to mend itself before it is opened anew.
const MENDING: Duration = Duration::from_secs(1);

/// A connection to one Redis or one cluster.
pub(super) struct Connection {
    what: String,
    opener: Opener,
    limit: Duration,
    link: RwLock<Option<Link>>,
    /// Held by who opens, so that one does and all others wait for it.
    opening: Mutex<()>,
    opened: AtomicU64,
}

/// An open connection. Clones are the same one.
#[derive(Clone)]
struct Link {
    number: u64,
    since: Instant,
    to: To,
}

#[derive(Clone)]
enum To {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// Opens it, so that what is wrong is said at once.
    pub(super) async fn open(config: &RedisConfig) -> Result<Self, StoreError> {
        let what = what(config);
        let opener = match Opener::new(config) {
            Ok(opener) => opener,
            Err(error) => return Err(StoreError::Unavailable { what, source: Box::new(error) }),
        };
        let connection = Self {
            what,
            opener,
            limit: config.timeout,
            link: RwLock::new(None),
            opening: Mutex::new(()),
            opened: AtomicU64::new(0),
        };
        match timeout(connection.limit, connection.link()).await {
            Ok(Ok(_)) => Ok(connection),
            Ok(Err(error)) => Err(connection.failed(error)),
            Err(_) => Err(connection.late()),
        }
    }

    /// Where it leads.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// Runs a script and gives back what it answers.
    pub(super) async fn run(&self, call: Call<'_>) -> Result<Value, StoreError> {
        let mut used = None;
        let answer = timeout(self.limit, async {
            let link = used.insert(self.link().await?);
            call.run(&mut link.to).await
        });
        match answer.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                if let Some(link) = used.filter(|link| link.is_broken_by(&error)) {
                    self.give_up(&link);
                }
                Err(self.failed(error))
            }
            Err(_) => {
                // The other end may be gone without a word, and a word of it never come.
                if let Some(link) = used {
                    self.give_up(&link);
                }
                Err(self.late())
            }
        }
    }

    async fn link(&self) -> Result<Link, RedisError> {
        if let Some(link) = self.current() {
            return Ok(link);
        }
        let _opening = self.opening.lock().await;
        if let Some(link) = self.current() {
            return Ok(link);
        }
        let to = match &self.opener {
            Opener::Server(client) => {
                // Both limits are `run`'s.
                let config =
                    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
                let mut server = client.get_multiplexed_async_connection_with_config(&config).await?;
                server_info::check_server(&self.what, &mut server).await?;
                To::Server(server)
            }
            Opener::Cluster(client) => {
                let mut cluster = client.get_async_connection().await?;
                server_info::check_cluster(&self.what, &mut cluster).await?;
                To::Cluster(cluster)
            }
        };
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let link = Link { number, since: Instant::now(), to };
        *self.link.write().unwrap_or_else(PoisonError::into_inner) = Some(link.clone());
        Ok(link)
    }

    fn current(&self) -> Option<Link> {
        self.link.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the next one open another, unless somebody already did.
    fn give_up(&self, broken: &Link) {
        let mut link = self.link.write().unwrap_or_else(PoisonError::into_inner);
        if link.as_ref().is_some_and(|link| link.number == broken.number) {
            *link = None;
        }
    }

    fn failed(&self, error: RedisError) -> StoreError {
        if error.is_timeout() {
            return self.late();
        }
        if error.code() == Some("WRONGTYPE") {
            return self.foreign(error.to_string());
        }
        StoreError::Unavailable {
            what: self.what.clone(),
            source: Box::new(error) as Box<dyn Error + Send + Sync>,
        }
    }

    fn late(&self) -> StoreError {
        StoreError::Timeout { what: self.what.clone(), seconds: self.limit.as_secs().max(1) }
    }

    /// Something is there that we did not write.
    pub(super) fn foreign(&self, why: String) -> StoreError {
        StoreError::Foreign { what: self.what.clone(), why }
    }
}

impl Link {
    fn is_broken_by(&self, error: &RedisError) -> bool {
        match self.to {
            To::Server(_) => {
                error.is_io_error()
                    || error.is_unrecoverable_error()
                    // Another took over, and the host's name may lead there by now.
                    || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
            }
            // It goes on with the nodes that are there, and looks for the others by itself.
            To::Cluster(_) => error.is_unrecoverable_error() && self.since.elapsed() > MENDING,
        }
    }
}

impl ConnectionLike for To {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(server) => server.req_packed_command(cmd),
            Self::Cluster(cluster) => cluster.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(server) => server.req_packed_commands(pipeline, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(server) => server.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}
