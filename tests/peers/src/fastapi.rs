//! The careless example application under uvicorn.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    free_port,
    install::{self, InstallError},
    process::{LogOnFailure, Peer},
    raw, until,
    workspace::{peers_dir, root},
};

/// `examples/fastapi-careless`, running.
#[derive(Debug)]
pub struct FastApi {
    peer: Peer,
    port: u16,
    _directory: TempDir,
}

impl FastApi {
    /// Starts it on a free port and waits until it answers.
    ///
    /// `None` where Python is missing and `CI` is not set; a line on standard error says so.
    pub fn start() -> Option<Self> {
        Self::start_module("app:app", &root().join("examples/fastapi-careless"), &[])
    }

    /// Starts another ASGI application, `module:name` in `directory`, with further arguments for uvicorn. The
    /// careless example can be imported from it as `app`.
    pub fn start_module(module: &str, directory: &Path, arguments: &[&str]) -> Option<Self> {
        let python = install::or_skip("FastAPI", virtual_environment())?;
        // A directory of its own, so that nothing the application writes lands in the repository.
        let working = tempfile::tempdir().expect("a temporary directory");
        let example = root().join("examples/fastapi-careless");
        let search = env::join_paths([directory, &example]).expect("paths without a colon");
        let port = free_port();
        let mut peer = Peer::spawn(
            "uvicorn",
            Command::new(python)
                .args(["-m", "uvicorn", module, "--host", "127.0.0.1", "--port", &port.to_string()])
                .args(arguments)
                .current_dir(working.path())
                .env("PYTHONPATH", search)
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .env("PYTHONUNBUFFERED", "1"),
        );
        until("uvicorn to answer", Duration::from_mins(1), || {
            if let Some(status) = peer.exited() {
                panic!("uvicorn ended with {status}:\n{}", peer.log());
            }
            let head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            raw::exchange(port, head).ok().filter(|answer| raw::status(answer) == Some(200))
        });
        Some(Self { peer, port, _directory: working })
    }

    /// The port that it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of `path` on `localhost`.
    pub fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    /// Ends it at once, in the middle of whatever it is doing.
    pub fn kill(&mut self) {
        self.peer.kill();
    }

    /// What it has written.
    pub fn log(&self) -> String {
        self.peer.log()
    }

    /// For a shared instance: prints what it wrote meanwhile if the test fails.
    pub fn log_on_failure(&self) -> LogOnFailure {
        self.peer.log_on_failure()
    }
}

/// The Python of a virtual environment that holds what the example asks for, and what [`Cdn`](crate::Cdn) serves:
/// made once, by whoever comes first.
pub(crate) fn virtual_environment() -> Result<PathBuf, InstallError> {
    let application = root().join("examples/fastapi-careless/requirements.txt");
    let cdn = root().join("tests/peers/cdn/requirements.txt");
    let wanted = [&application, &cdn].map(|file| fs::read_to_string(file).expect("requirements")).concat();
    let directory = peers_dir("fastapi");
    let lock = File::create(directory.join("lock")).expect("a lock file under target/");
    lock.lock().expect("the lock on the virtual environment");

    let environment = directory.join("venv");
    let python = environment.join("bin/python");
    // Written last, so that an installation that was interrupted is made again.
    let installed = environment.join("installed-requirements.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(&python).args(pip).arg("-r").arg(&application))?;
    run(Command::new(&python).args(pip).args(["--no-deps", "-r"]).arg(&cdn))?;
    fs::write(&installed, wanted).expect("a file in the virtual environment");
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), InstallError> {
    let shown = format!("{command:?}");
    let Output { status, stderr, .. } = command
        .output()
        .map_err(|error| InstallError::Command { command: shown.clone(), output: error.to_string() })?;
    if status.success() {
        return Ok(());
    }
    let output = format!("{status}\n{}", String::from_utf8_lossy(&stderr).trim());
    Err(InstallError::Command { command: shown, output })
}
