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
    arguments: Vec<String>,
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
        Self::start_on(free_port(), policy, upstream, arguments)
    }

    /// Starts it on this port: for a policy or an upstream that names it.
    pub fn start_on(port: u16, policy: &str, upstream: &str, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("bartizan.toml");
        fs::write(&file, policy).expect("a policy file");
        let policy = file.to_str().expect("a temporary directory with a readable name");
        let arguments = [&["--policy", policy, "--upstream", upstream], arguments].concat();
        Self::launch(directory, port, &arguments)
    }

    /// Starts it without a policy: `bartizan serve --upstream URL`.
    pub fn start_without_policy(upstream: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self::launch(directory, free_port(), &["--upstream", upstream])
    }

    fn launch(directory: TempDir, port: u16, arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().copied().map(str::to_owned).collect();
        Self { peer: Self::run(&directory, port, &arguments), port, arguments, directory }
    }

    /// Ends it as service managers do and starts it anew, on the same port, with what its directory holds.
    pub fn restart(&mut self) {
        self.terminate();
        until("the gateway to end", Duration::from_secs(30), || self.exited());
        self.peer = Self::run(&self.directory, self.port, &self.arguments);
    }

    fn run(directory: &TempDir, port: u16, arguments: &[String]) -> Peer {
        let mut peer = Peer::spawn(
            "bartizan",
            Command::new(Self::binary())
                .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
                .args(arguments)
                // Where no policy of the repository's is found by accident, and where its state is kept.
                .current_dir(directory.path()),
        );
        until("the gateway to listen", Duration::from_secs(30), || {
            if let Some(status) = peer.exited() {
                panic!("bartizan serve ended with {status}:\n{}", peer.log());
            }
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        });
        peer
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
