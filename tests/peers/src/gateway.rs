//! The `bartizan` binary, serving.

use std::{
    env, fs,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::OnceLock,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    free_port,
    process::{LogOnFailure, Peer},
    root, target_dir, until,
};

/// `bartizan serve` with a policy, in front of an upstream.
#[derive(Debug)]
pub struct Gateway {
    peer: Peer,
    port: u16,
    directory: TempDir,
}

impl Gateway {
    /// Starts it on a free port of 127.0.0.1 and waits until it accepts connections. `policy` is the text of a
    /// policy file.
    pub fn start(policy: &str, upstream: &str) -> Self {
        Self::start_with(policy, upstream, &[])
    }

    /// Starts it with further arguments.
    pub fn start_with(policy: &str, upstream: &str, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("bartizan.toml");
        fs::write(&file, policy).expect("a policy file");
        let policy = file.to_str().expect("a temporary directory with a readable name");
        Self::spawn(directory, &[&["--policy", policy, "--upstream", upstream], arguments].concat())
    }

    /// Starts it without a policy: `bartizan serve --upstream URL`.
    pub fn start_without_policy(upstream: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self::spawn(directory, &["--upstream", upstream])
    }

    fn spawn(directory: TempDir, arguments: &[&str]) -> Self {
        let port = free_port();
        let mut peer = Peer::spawn(
            "bartizan",
            Command::new(Self::binary())
                .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
                .args(arguments)
                // Where no policy of the repository's is found by accident.
                .current_dir(directory.path()),
        );
        until("the gateway to listen", Duration::from_secs(30), || {
            if let Some(status) = peer.exited() {
                panic!("bartizan serve ended with {status}:\n{}", peer.log());
            }
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        });
        Self { peer, port, directory }
    }

    /// The `bartizan` binary that belongs to the running test.
    ///
    /// Cargo builds it for the tests of `bartizan-cli`, and says where; for those of other crates it is built here.
    pub fn binary() -> &'static Path {
        static BINARY: OnceLock<PathBuf> = OnceLock::new();
        BINARY.get_or_init(|| {
            if let Some(path) = env::var_os("CARGO_BIN_EXE_bartizan") {
                return path.into();
            }
            let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
                .args(["build", "--quiet", "--package", "bartizan-cli", "--bin", "bartizan", "--target-dir"])
                .arg(target_dir())
                .current_dir(root())
                .status()
                .expect("cargo starts");
            assert!(status.success(), "the bartizan binary does not build");
            target_dir().join("debug").join("bartizan")
        })
    }

    /// The port that it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of `path` on `localhost`.
    pub fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    /// The directory that it was started in.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What it has written: its log.
    pub fn log(&self) -> String {
        self.peer.log()
    }

    /// For a shared instance: prints what it wrote meanwhile if the test fails.
    pub fn log_on_failure(&self) -> LogOnFailure {
        self.peer.log_on_failure()
    }

    /// The most memory that it has had so far, in bytes (`VmHWM`, see proc(5)).
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.peer.id())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a VmHWM line");
        let kibibytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB");
        kibibytes * 1024
    }

    /// Asks it to end, as service managers do: SIGTERM.
    pub fn terminate(&self) {
        self.peer.signal("TERM");
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.peer.exited()
    }
}
