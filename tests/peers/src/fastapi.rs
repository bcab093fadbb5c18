//! The careless example application under uvicorn.

use std::{
    env,
    ffi::OsString,
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
    launch: Launch,
}

/// How it is started, and started again.
#[derive(Debug)]
struct Launch {
    python: PathBuf,
    search: OsString,
    arguments: Vec<String>,
    gateway: Option<String>,
    port: u16,
    /// A directory of its own, so that nothing the application writes lands in the repository.
    working: TempDir,
}

impl FastApi {
    /// Starts it on a free port and waits until it answers.
    ///
    /// `None` where Python is missing and `CI` is not set; a line on standard error says so.
    pub fn start() -> Option<Self> {
        Self::start_module("app:app", &example(), &[])
    }

    /// Starts it with sessions by hand-off, `handoff.py`, for a gateway that will be reached at this URL.
    pub fn start_with_handoff(gateway: &str) -> Option<Self> {
        Launch::new("handoff:app", &example(), &[], Some(gateway)).map(Self::launch)
    }

    /// Starts another ASGI application, `module:name` in `directory`, with further arguments for uvicorn. The
    /// careless example can be imported from it as `app`.
    pub fn start_module(module: &str, directory: &Path, arguments: &[&str]) -> Option<Self> {
        Launch::new(module, directory, arguments, None).map(Self::launch)
    }

    /// Starts another ASGI application that asks a gateway, which will be reached at this URL, for its keys.
    pub fn start_module_with_gateway(module: &str, directory: &Path, gateway: &str) -> Option<Self> {
        Launch::new(module, directory, &[], Some(gateway)).map(Self::launch)
    }

    fn launch(launch: Launch) -> Self {
        Self { peer: launch.run(), launch }
    }

    /// Ends it at once and starts it anew, on the same port. What it kept in memory is gone.
    pub fn restart(&mut self) {
        self.peer.kill();
        self.peer = self.launch.run();
    }

    /// The port that it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.launch.port
    }

    /// The URL of `path` on `localhost`.
    pub fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.launch.port)
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

impl Launch {
    fn new(module: &str, directory: &Path, arguments: &[&str], gateway: Option<&str>) -> Option<Self> {
        let python = install::or_skip("FastAPI", virtual_environment())?;
        let port = free_port();
        let listen =
            ["-m", "uvicorn", module, "--host", "127.0.0.1", "--port", &port.to_string()].map(str::to_owned);
        Some(Self {
            python,
            search: env::join_paths([directory, &example()]).expect("paths without a colon"),
            arguments: listen.into_iter().chain(arguments.iter().copied().map(str::to_owned)).collect(),
            gateway: gateway.map(str::to_owned),
            port,
            working: tempfile::tempdir().expect("a temporary directory"),
        })
    }

    /// Starts it and waits until it answers.
    fn run(&self) -> Peer {
        let mut peer = Peer::spawn(
            "uvicorn",
            Command::new(&self.python)
                .args(&self.arguments)
                .current_dir(self.working.path())
                .env("PYTHONPATH", &self.search)
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .env("PYTHONUNBUFFERED", "1")
                .envs(self.gateway.iter().map(|url| ("BARTIZAN_URL", url))),
        );
        until("uvicorn to answer", Duration::from_mins(1), || {
            if let Some(status) = peer.exited() {
                panic!("uvicorn ended with {status}:\n{}", peer.log());
            }
            let head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            raw::exchange(self.port, head).ok().filter(|answer| raw::status(answer) == Some(200))
        });
        peer
    }
}

/// The Python of the environment that the applications run in, with `PyJWT` and joserfc.
///
/// `None` where Python is missing and `CI` is not set; a line on standard error says so.
pub fn python() -> Option<PathBuf> {
    install::or_skip("Python", virtual_environment())
}

fn example() -> PathBuf {
    root().join("examples/fastapi-careless")
}

/// The Python of a virtual environment that holds what the example asks for, other implementations of JOSE, and what
/// [`Cdn`](crate::Cdn) and [`axe`](crate::axe()) give out: made once, by whoever comes first.
pub(crate) fn virtual_environment() -> Result<PathBuf, InstallError> {
    let application = example().join("requirements.txt");
    let cdn = root().join("tests/peers/cdn/requirements.txt");
    let axe = root().join("tests/peers/axe/requirements.txt");
    let tokens = root().join("tests/peers/tokens/requirements.txt");
    let wanted = [&application, &tokens, &cdn, &axe]
        .map(|file| fs::read_to_string(file).expect("requirements"))
        .concat();
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
    run(Command::new(&python).args(pip).arg("-r").arg(&application).arg("-r").arg(&tokens))?;
    run(Command::new(&python).args(pip).args(["--no-deps", "-r"]).arg(&cdn).arg("-r").arg(&axe))?;
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
