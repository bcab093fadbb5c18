//! Opening: the file, whose it is, and the migrations of its tables.

use std::{
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous},
};

use super::{failure::Failure, glance::Glance, writer::Writer};

/// Each makes the next version of the tables, and says so as `user_version`.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_state.sql"),
    include_str!("../../migrations/sqlite/0002_documents_revocations_keys.sql"),
];

/// As the first migration says: "Brtz".
const APPLICATION: i64 = 0x4272_747a;

/// Reads at the same time. Each has a thread.
const READERS: u32 = 4;

pub(super) async fn open(path: &Path, timeout: Duration) -> Result<(Glance, Writer, SqlitePool), Failure> {
    // Absolute, for SQLite takes some names for more than a name: `:memory:`, `file:…?mode=ro`.
    let path = std::path::absolute(path).map_err(away)?;
    make(&path).map_err(|error| Failure::Away(Arc::new(error)))?;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(false)
        .busy_timeout(timeout)
        // What was acknowledged survives a power cut: each commit syncs the log.
        .synchronous(SqliteSynchronous::Full)
        // macOS: down to the disk's platters, not to its cache. Elsewhere it does nothing.
        .pragma("fullfsync", "ON")
        .foreign_keys(false)
        // They would be logged with each request.
        .disable_statement_logging();

    let mut connection = options.connect().await?;
    check(&mut connection).await?;
    use_log(&mut connection, timeout).await?;
    migrate(&mut connection).await?;

    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(timeout)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone().pragma("query_only", "ON"));
    Ok((Glance::at(&path), Writer::spawn(connection, options, readers.clone()), readers))
}

#[derive(Debug, thiserror::Error)]
enum CannotMake {
    #[error("its folder {0} does not exist; make it, or name a file elsewhere")]
    NoFolder(PathBuf),
    #[error("it is a folder; name a file in it")]
    IsFolder,
    #[error(
        "it cannot be made: {source}; the user that runs Bartizan must be able to write in the folder {folder}"
    )]
    Refused { folder: PathBuf, source: io::Error },
}

/// Makes an empty file where there is none, for its owner only; SQLite gives the same mode to those beside it.
fn make(path: &Path) -> Result<(), CannotMake> {
    static MAKING: Mutex<()> = Mutex::new(());

    if path.is_dir() {
        return Err(CannotMake::IsFolder);
    }
    let folder = path.parent().unwrap_or(path);
    if !folder.is_dir() {
        return Err(CannotMake::NoFolder(folder.to_owned()));
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // A process that closes a file loses all its locks on it (POSIX). So while this one is open, no other task may find
    // it and lock it; and one that is there is never opened here.
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    match options.open(path) {
        Ok(made) => {
            // The name is on the disk before anything is acknowledged.
            let synced = made.sync_all().and_then(|()| File::open(folder)?.sync_all());
            synced.map_err(|source| CannotMake::Refused { folder: folder.to_owned(), source })
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(CannotMake::Refused { folder: folder.to_owned(), source }),
    }
}

/// Refuses a file that is another program's, or of a version to come, before anything is written to it.
async fn check(connection: &mut SqliteConnection) -> Result<i64, Failure> {
    let (application, version, tables): (i64, i64, i64) = sqlx::query_as(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) \
         FROM pragma_application_id, pragma_user_version",
    )
    .fetch_one(connection)
    .await?;
    let known = MIGRATIONS.len();
    match (application, version, tables) {
        (0, 0, 0) => Ok(0),
        (APPLICATION, 1.., _) if usize::try_from(version).is_ok_and(|version| version <= known) => {
            Ok(version)
        }
        (APPLICATION, 1.., _) => Err(Failure::Foreign(format!(
            "its tables are of version {version}, and this Bartizan knows them up to version {known}; run the version \
             of Bartizan that wrote it, or a later one"
        ))),
        _ => Err(Failure::Foreign(
            "it is another program's database; name another file, which will be made".to_owned(),
        )),
    }
}

/// Turns on the write-ahead log. The file remembers it.
async fn use_log(connection: &mut SqliteConnection, timeout: Duration) -> Result<(), Failure> {
    let deadline = Instant::now() + timeout;
    loop {
        let mode =
            sqlx::query_scalar::<_, String>("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await;
        match mode.map_err(Failure::from) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(away(io::Error::other(format!(
                    "SQLite uses the journal \"{mode}\" there, not a write-ahead log; put the file on a local disk"
                ))));
            }
            // SQLite does not wait here for others that do the same.
            Err(Failure::Slow) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Brings the tables to the version that this one knows. Of many that start at once one does, and the others wait.
async fn migrate(connection: &mut SqliteConnection) -> Result<(), Failure> {
    let mut transaction = connection.begin_with("BEGIN EXCLUSIVE").await?;
    let version = check(&mut transaction).await?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
    }
    Ok(transaction.commit().await?)
}

fn away(error: io::Error) -> Failure {
    Failure::Away(Arc::new(error))
}
