//! One connection writes. What waits while the disk is synced is written together next: many acknowledgements for one
//! sync.

use std::{io, sync::Arc};

use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool, sqlite::SqliteConnectOptions,
};
use tokio::sync::{mpsc, oneshot};

use super::failure::Failure;
use crate::BoxFuture;

/// Steps in one transaction.
const TOGETHER: usize = 256;
/// Steps that wait. Who comes then waits to wait.
const WAITING: usize = 1024;

/// One atomic step, within a transaction that nobody else writes in.
pub(super) trait Step: Send + Sync + 'static {
    type Output: Send + 'static;

    /// Does it. It may be done again, in another transaction, if this one fails.
    fn run(
        &self,
        connection: &mut SqliteConnection,
    ) -> impl Future<Output = Result<Self::Output, sqlx::Error>> + Send;
}

#[derive(Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
}

impl Writer {
    /// Writes by `connection`, and by another one where that fails. When nobody holds the store any more, closes the
    /// `readers` first and itself last.
    pub(super) fn spawn(
        connection: SqliteConnection,
        options: SqliteConnectOptions,
        readers: SqlitePool,
    ) -> Self {
        let (jobs, waiting) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let connection = write(connection, options, waiting).await;
            readers.close().await;
            if let Some(connection) = connection {
                // The last one of all processes writes the log into the file, and removes it. Where it fails, whoever
                // opens the file next does.
                let _ = connection.close().await;
            }
        });
        Self { jobs }
    }

    /// Does a step, and comes back when it is on the disk. Who drops this may find it done or not.
    pub(super) async fn write<S: Step>(&self, step: S) -> Result<S::Output, Failure> {
        let (reply, mut outcome) = oneshot::channel();
        let job = Box::new(Waiting { step, done: None, reply });
        self.jobs.send(job).await.map_err(|_| ended())?;
        tokio::select! {
            biased;
            outcome = &mut outcome => outcome.unwrap_or_else(|_| Err(ended())),
            // A job that was sent while the writer's task was being dropped stays in the channel as long as we hold our
            // end of it: nobody will do it, and nobody will drop it.
            () = self.jobs.closed() => outcome.try_recv().unwrap_or_else(|_| Err(ended())),
        }
    }
}

fn ended() -> Failure {
    Failure::Away(Arc::new(io::Error::other("the tokio runtime in which it was opened has ended")))
}

/// A step of any kind, and whoever waits for it.
trait Job: Send {
    fn is_abandoned(&self) -> bool;
    fn run<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, Result<(), sqlx::Error>>;
    fn acknowledge(self: Box<Self>, outcome: Result<(), Failure>);
}

struct Waiting<S: Step> {
    step: S,
    done: Option<S::Output>,
    reply: oneshot::Sender<Result<S::Output, Failure>>,
}

impl<S: Step> Job for Waiting<S> {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            self.done = Some(self.step.run(connection).await?);
            Ok(())
        })
    }

    fn acknowledge(self: Box<Self>, outcome: Result<(), Failure>) {
        let Self { done, reply, .. } = *self;
        // Nobody may be waiting any more.
        let _ = reply.send(outcome.and_then(|()| done.ok_or_else(ended)));
    }
}

async fn write(
    connection: SqliteConnection,
    options: SqliteConnectOptions,
    mut waiting: mpsc::Receiver<Box<dyn Job>>,
) -> Option<SqliteConnection> {
    let mut connection = Some(connection);
    let mut jobs = Vec::with_capacity(TOGETHER);
    while waiting.recv_many(&mut jobs, TOGETHER).await > 0 {
        jobs.retain(|job| !job.is_abandoned());
        let outcome = commit(&mut connection, &options, &mut jobs).await;
        // One of them met something foreign: the others are none the worse for it.
        let apart = matches!(outcome, Err(Failure::Foreign(_))) && jobs.len() > 1;
        for mut job in jobs.drain(..) {
            let outcome = if apart {
                commit(&mut connection, &options, std::slice::from_mut(&mut job)).await
            } else {
                outcome.clone()
            };
            job.acknowledge(outcome);
        }
    }
    connection
}

/// Does the jobs in one transaction. After a failure the connection is dropped, and its transaction with it.
async fn commit(
    connection: &mut Option<SqliteConnection>,
    options: &SqliteConnectOptions,
    jobs: &mut [Box<dyn Job>],
) -> Result<(), Failure> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => options.connect().await?,
    };
    // Before anything is read, so that nobody else writes between reading and writing.
    let mut transaction = open.begin_with("BEGIN IMMEDIATE").await?;
    for job in jobs {
        job.run(&mut transaction).await?;
    }
    transaction.commit().await?;
    *connection = Some(open);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::Duration};

    use super::*;
    use crate::sqlite::open;

    struct Pragmas;

    impl Step for Pragmas {
        type Output = (String, i64, i64);

        async fn run(&self, connection: &mut SqliteConnection) -> Result<Self::Output, sqlx::Error> {
            sqlx::query_as(
                "SELECT journal_mode, synchronous, fullfsync \
                 FROM pragma_journal_mode, pragma_synchronous, pragma_fullfsync",
            )
            .fetch_one(connection)
            .await
        }
    }

    /// Writes, and fails afterwards.
    struct Failing;

    impl Step for Failing {
        type Output = ();

        async fn run(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
            sqlx::query("INSERT INTO token (digest, until) VALUES (x'00', 1)").execute(connection).await?;
            Err(sqlx::Error::WorkerCrashed)
        }
    }

    struct Tokens;

    impl Step for Tokens {
        type Output = i64;

        async fn run(&self, connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
            sqlx::query_scalar("SELECT count(*) FROM token").fetch_one(connection).await
        }
    }

    async fn writer(folder: &tempfile::TempDir) -> Writer {
        let path: PathBuf = folder.path().join("state");
        open::open(&path, Duration::from_secs(5)).await.unwrap().1
    }

    #[tokio::test]
    async fn each_commit_is_synced_to_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        // 2 is FULL: with a write-ahead log, a sync for each commit.
        assert_eq!(writer(&folder).await.write(Pragmas).await.unwrap(), ("wal".to_owned(), 2, 1));
    }

    #[tokio::test]
    async fn a_step_that_fails_leaves_nothing_and_the_next_one_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder).await;
        for _ in 0..3 {
            assert!(matches!(writer.write(Failing).await, Err(Failure::Away(_))));
            assert_eq!(writer.write(Tokens).await.unwrap(), 0);
            // A connection that was opened anew syncs as well.
            assert_eq!(writer.write(Pragmas).await.unwrap().1, 2);
        }
    }

    #[tokio::test]
    async fn steps_of_a_runtime_that_ended_say_so() {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        // Often, for the step may arrive before, while and after the writer's task is dropped.
        for _ in 0..300 {
            let other = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            let opened = Arc::clone(&folder);
            let writer = other.handle().spawn(async move { writer(&opened).await }).await.unwrap();
            other.shutdown_background();
            let asked = tokio::time::timeout(Duration::from_secs(30), writer.write(Tokens)).await;
            match asked.expect("an end of the wait") {
                Err(Failure::Away(error)) => {
                    assert_eq!(error.to_string(), "the tokio runtime in which it was opened has ended");
                }
                // It came before the end.
                Ok(count) => assert_eq!(count, 0),
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}
