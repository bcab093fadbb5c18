//! The connections: few, bounded, opened when they are needed.
//!
//! Not sqlx's own pool, for three things that it does. A server that refuses connections is asked again until the
//! deadline, and then there is no saying why; here a refusal is an answer at once. It asks each connection whether it
//! is alive, before and after each use; here a connection is found broken by what it is used for, which is then done
//! once more on a fresh one. And a request that is given up leaves a connection in the middle of something; here what
//! was begun is finished, so that nobody can make a server open connections by going away.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions as _, PgConnection};
use tokio::{sync::Semaphore, time};

use super::{PostgresOptions, failure};
use crate::{BoxFuture, StoreError};

/// After how long without use a connection is left to die: sooner than firewalls forget it.
const IDLE: Duration = Duration::from_mins(1);
/// After how long a connection is replaced, so that a new address of the server becomes known.
const LIFE: Duration = Duration::from_mins(30);

/// What is done on a connection. If the connection breaks it is done twice, so the second time must do no harm.
pub(super) trait Do<T>:
    for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send + Sync + 'static
{
}

impl<T, F> Do<T> for F where
    F: for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send + Sync + 'static
{
}

pub(super) struct Pool {
    options: PostgresOptions,
    room: Arc<Semaphore>,
    idle: Mutex<Vec<Held>>,
}

/// A connection with nothing under way.
struct Held {
    connection: PgConnection,
    opened: Instant,
    used: Instant,
}

impl Pool {
    pub(super) fn new(mut options: PostgresOptions) -> Self {
        let millis = options.timeout.as_millis();
        options.connect = options.connect.options([
            ("statement_timeout", millis.to_string()),
            // A node that froze within a transaction holds nobody up.
            ("idle_in_transaction_session_timeout", millis.to_string()),
            // What the statements are written for, and what is promised of them; a database's default may be another.
            ("default_transaction_isolation", "read committed".to_owned()),
            ("synchronous_commit", "on".to_owned()),
        ]);
        let room = Arc::new(Semaphore::new(options.connections.get() as usize));
        Self { options, room, idle: Mutex::default() }
    }

    /// Where the server is, for messages.
    pub(super) fn place(&self) -> &str {
        self.options.place()
    }

    /// Does `step` within the time that the options give.
    pub(super) async fn run<T: Send + 'static>(self: &Arc<Self>, step: impl Do<T>) -> Result<T, StoreError> {
        self.run_within(self.options.timeout, step).await
    }

    /// Does `step` within `limit`.
    pub(super) async fn run_within<T: Send + 'static>(
        self: &Arc<Self>,
        limit: Duration,
        step: impl Do<T>,
    ) -> Result<T, StoreError> {
        let deadline = time::Instant::now() + limit;
        let late = |_| failure::timed_out(self.place(), limit);
        let room = Arc::clone(&self.room).acquire_owned();
        let room = time::timeout_at(deadline, room).await.map_err(late)?;
        let pool = Arc::clone(self);
        // Whoever waits for its turn may go away; what has begun is finished.
        let begun = tokio::spawn(async move {
            let _room = room;
            time::timeout_at(deadline, pool.attempt(step)).await
        });
        match begun.await {
            Ok(Ok(done)) => done.map_err(|error| failure::store_error(self.place(), limit, error)),
            Ok(Err(elapsed)) => Err(late(elapsed)),
            Err(ended) => {
                Err(StoreError::Unavailable { what: self.place().to_owned(), source: ended.into() })
            }
        }
    }

    async fn attempt<T>(&self, step: impl Do<T>) -> Result<T, sqlx::Error> {
        if let Some(held) = self.take_idle() {
            match self.on(held, &step).await {
                Err(error) if failure::is_worth_repeating(&error) => {
                    tracing::debug!(target: "bartizan::store", %error, "a connection to {} broke", self.place());
                    // What broke this one broke those beside it.
                    self.idle().clear();
                }
                done => return done,
            }
        }
        let connection = self.options.connect.connect().await?;
        let now = Instant::now();
        self.on(Held { connection, opened: now, used: now }, &step).await
    }

    async fn on<T>(&self, mut held: Held, step: &impl Do<T>) -> Result<T, sqlx::Error> {
        // After a failure a transaction may be open, and hold locks; it ends with its connection.
        let done = step(&mut held.connection).await?;
        held.used = Instant::now();
        self.idle().push(held);
        Ok(done)
    }

    /// The connection that was used last, so that those that are not needed grow old.
    fn take_idle(&self) -> Option<Held> {
        let mut idle = self.idle();
        idle.retain(|held| held.used.elapsed() < IDLE && held.opened.elapsed() < LIFE);
        idle.pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Held>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_does_not_depend_on_a_databases_defaults() {
        let options = PostgresOptions::new("postgres://db?options=-c%20geqo=off").unwrap();
        let pool = Pool::new(options.timeout(Duration::from_millis(1500)));
        assert_eq!(
            pool.options.connect.get_options(),
            Some(
                "-c geqo=off -c statement_timeout=1500 -c idle_in_transaction_session_timeout=1500 \
                 -c default_transaction_isolation=read\\ committed -c synchronous_commit=on"
            )
        );
    }
}
