//! A database server.

use std::{
    fs::{self, File},
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    free_port,
    install::{self, InstallError},
    process::{LogOnFailure, Peer},
    until,
    workspace::peers_dir,
};

const ROLE: &str = "bartizan";
const CERTIFICATE: &str = "certificate.pem";

/// How long initialisation, start and stop may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Postgres with an empty cluster of its own, running. What it acknowledges is on the disk: `fsync` is on.
#[derive(Debug)]
pub struct Postgres {
    peer: Option<Peer>,
    programs: Programs,
    directory: Directory,
    settings: &'static [&'static str],
    port: u16,
}

/// The programs of one version, and who runs them: Postgres refuses root.
#[derive(Debug)]
struct Programs {
    directory: PathBuf,
    owner: Option<(u32, u32)>,
}

/// Where the cluster lies. The lock says that it is in use, for a test process may end without dropping anything.
#[derive(Debug)]
struct Directory {
    path: TempDir,
    _lock: File,
}

impl Postgres {
    /// The password of the role `bartizan`, a superuser.
    pub const PASSWORD: &str = "of-the-tests";

    /// Starts it on a free port and waits until it takes connections.
    ///
    /// `None` where it is missing and `CI` is not set; a line on standard error says so.
    pub fn start() -> Option<Self> {
        let programs = install::or_skip("Postgres", Programs::find())?;
        let directory = Directory::new(&programs);
        Some(Self::initialise(programs, directory, &[]))
    }

    /// Starts it with TLS, by a [certificate](Self::certificate) for `localhost` that nobody has signed.
    ///
    /// `None` also where OpenSSL is missing.
    pub fn start_with_tls() -> Option<Self> {
        let openssl = install::or_skip("Postgres's certificate", install::require(install::OPENSSL))?;
        let programs = install::or_skip("Postgres", Programs::find())?;
        let directory = Directory::new(&programs);
        // Made by the one who will read it: Postgres refuses a key that others own.
        let mut command = Command::new(openssl);
        programs.hand_over(command.current_dir(directory.path()));
        let made = command
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", "key.pem", "-out", CERTIFICATE])
            .output()
            .expect("openssl starts");
        assert!(made.status.success(), "openssl makes no certificate: {made:?}");
        let settings = &["--ssl=on", "--ssl_cert_file=../certificate.pem", "--ssl_key_file=../key.pem"];
        Some(Self::initialise(programs, directory, settings))
    }

    fn initialise(programs: Programs, directory: Directory, settings: &'static [&'static str]) -> Self {
        let password = directory.path().join("password");
        fs::write(&password, Self::PASSWORD).expect("a file under target/");
        let output = programs
            .command("initdb", directory.path())
            .args(["--pgdata=data", "--auth=scram-sha-256", "--pwfile=password", "--username", ROLE])
            .args(["--encoding=UTF8", "--locale=C", "--no-sync"])
            .output()
            .expect("initdb starts");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let mut postgres = Self { peer: None, programs, directory, settings, port: free_port() };
        postgres.start_again();
        postgres
    }

    /// The port that it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database, with the name and the password of a superuser. `postgres` is always there.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}:{}@127.0.0.1:{}/{database}", Self::PASSWORD, self.port)
    }

    /// Where its files are.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The certificate that [`start_with_tls`](Self::start_with_tls) made.
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join(CERTIFICATE)
    }

    /// All that a database holds, as SQL.
    pub fn dump(&self, database: &str) -> String {
        let output = self
            .programs
            .command("pg_dump", self.directory.path())
            .args(["--dbname", &self.url(database)])
            .output()
            .expect("pg_dump starts");
        assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a dump in UTF-8")
    }

    /// Stops it in good order. Connections are ended.
    pub fn stop(&mut self) {
        if let Some(mut peer) = self.peer.take() {
            peer.signal("INT");
            until("Postgres to stop", PATIENCE, || peer.exited());
        }
    }

    /// Ends it and its children at once, in the middle of whatever they are doing.
    pub fn kill(&mut self) {
        let Some(mut peer) = self.peer.take() else { return };
        // Every child leads a process group of its own. The parent is held first, so that it makes no more.
        peer.signal("STOP");
        let children = children(peer.id());
        if !children.is_empty() {
            let kill = "kill -s KILL \"$@\" 2>/dev/null";
            let _ = Command::new("sh").args(["-c", kill, "kill"]).args(&children).status();
        }
        peer.kill();
        until("the end of Postgres's children", PATIENCE, || {
            children.iter().all(|child| !is_running(child)).then_some(())
        });
    }

    /// Starts it with the same files on the same port, after [`stop`](Self::stop) or [`kill`](Self::kill).
    pub fn start_again(&mut self) {
        assert!(self.peer.is_none(), "Postgres is running");
        let mut peer = self.spawn();
        until("Postgres to take connections", PATIENCE, || {
            let log = peer.log();
            if let Some(status) = peer.exited() {
                // Where the children could not be killed, they see by themselves that their parent is gone.
                assert!(log.contains("is still in use"), "Postgres ended with {status}:\n{log}");
                peer = self.spawn();
            }
            log.contains("database system is ready to accept connections").then_some(())
        });
        self.peer = Some(peer);
    }

    /// For a shared instance: prints what it wrote meanwhile if the test fails.
    pub fn log_on_failure(&self) -> Option<LogOnFailure> {
        self.peer.as_ref().map(Peer::log_on_failure)
    }

    fn spawn(&self) -> Peer {
        let mut command = self.programs.command("postgres", self.directory.path());
        command.args(["-D", "data", "-p", &self.port.to_string()]);
        command.args(["--listen_addresses=127.0.0.1", "--unix_socket_directories=", "--max_connections=200"]);
        Peer::spawn("postgres", command.args(self.settings).env("LC_ALL", "C"))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Programs {
    fn find() -> Result<Self, InstallError> {
        let found = install::require(install::POSTGRES)?;
        // On the path there may be links, and not to all of them.
        let found = found.canonicalize()?;
        let directory = found.parent().expect("a program is in a directory").to_path_buf();
        let owner = if install::runs_as_root() { Some(somebody()?) } else { None };
        Ok(Self { directory, owner })
    }

    fn command(&self, program: &str, directory: &Path) -> Command {
        let mut command = Command::new(self.directory.join(program));
        command.current_dir(directory);
        self.hand_over(&mut command);
        command
    }

    fn hand_over(&self, command: &mut Command) {
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
    }
}

impl Directory {
    fn new(programs: &Programs) -> Self {
        let under_target = peers_dir("postgres");
        // The repository may lie in root's home, which nobody else can enter.
        let mut check = Command::new("test");
        programs.hand_over(check.arg("-x").arg(&under_target));
        let parent = if check.status().is_ok_and(|status| status.success()) {
            under_target
        } else {
            let parent = std::env::temp_dir().join("bartizan-peers-postgres");
            fs::create_dir_all(&parent).expect("a directory for temporary files");
            parent
        };
        let making = File::create(parent.join("lock")).expect("a lock file");
        making.lock().expect("the lock on the clusters");
        remove_abandoned(&parent);
        let path = TempDir::with_prefix_in("cluster-", &parent).expect("a directory under target/");
        let lock = File::create(path.path().join("lock")).expect("a lock file");
        lock.lock().expect("the lock on a new cluster");
        if let Some((user, group)) = programs.owner {
            chown(path.path(), Some(user), Some(group)).expect("a directory to give away");
        }
        Self { path, _lock: lock }
    }

    fn path(&self) -> &Path {
        self.path.path()
    }
}

/// Removes the clusters whose process has ended without doing it.
fn remove_abandoned(parent: &Path) {
    for cluster in fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if cluster.is_dir() && File::open(cluster.join("lock")).is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(&cluster);
        }
    }
}

/// A user and a group that are not root's.
fn somebody() -> Result<(u32, u32), InstallError> {
    let id = |option, user| {
        let output = Command::new("id").args([option, user]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    let found = ["postgres", "nobody"].into_iter().find_map(|user| Some((id("-u", user)?, id("-g", user)?)));
    found.ok_or_else(|| InstallError::Command {
        command: "id -u postgres".to_owned(),
        output: "Postgres refuses to run as root, and there is neither a user `postgres` nor `nobody`"
            .to_owned(),
    })
}

/// The processes whose parent this is; none where there is no `/proc`.
fn children(parent: u32) -> Vec<String> {
    let parent = parent.to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| {
            let number = process.file_name().into_string().ok()?;
            let (_, parents) = stat(&number)?;
            (parents == parent).then_some(number)
        })
        .collect()
}

fn is_running(process: &str) -> bool {
    stat(process).is_some_and(|(state, _)| state != "Z")
}

/// A process's state and its parent.
fn stat(process: &str) -> Option<(String, String)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before them is in brackets, and may have brackets in it.
    let (_, behind) = stat.rsplit_once(") ")?;
    let mut fields = behind.split(' ').map(str::to_owned);
    Some((fields.next()?, fields.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn postgres_is_killed_with_its_children_and_started_again() {
        let Some(mut postgres) = Postgres::start() else { return };
        let reached = |postgres: &Postgres| TcpStream::connect(("127.0.0.1", postgres.port())).is_ok();
        let leader = postgres.peer.as_ref().unwrap().id();
        let children = children(leader);
        assert!(reached(&postgres));
        assert!(!children.is_empty() || !Path::new("/proc").exists());
        postgres.kill();
        assert!(!reached(&postgres));
        assert!(children.iter().all(|child| !is_running(child)));
        postgres.start_again();
        assert!(reached(&postgres));
        assert!(postgres.peer.as_ref().unwrap().log().contains("was not properly shut down"));
        postgres.stop();
        assert!(!reached(&postgres));
        postgres.start_again();
        assert!(postgres.dump("postgres").contains("PostgreSQL database dump"));
        assert!(postgres.data().join("PG_VERSION").is_file());
        let directory = postgres.directory.path().to_path_buf();
        drop(postgres);
        assert!(!directory.exists());
    }
}
