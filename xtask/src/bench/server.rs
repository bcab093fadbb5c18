//! The servers that are measured: nginx as upstream and as proxy, and the gateway.

use std::{
    fmt::Write as _,
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::built::built;
use crate::{failure::Failure, run};

/// A process that serves, ended when dropped.
pub(super) struct Server {
    child: Child,
    /// Where it listens.
    pub(super) address: SocketAddr,
}

/// How to start a server: the program with its arguments, and the address that it will listen on.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) name: &'static str,
    pub(super) words: Vec<String>,
    pub(super) address: SocketAddr,
}

impl Start {
    /// Starts it, under `wrapper` if there are words in it, and waits until it accepts connections.
    pub(super) fn start(&self, wrapper: &[String], output: &Path) -> Result<Server, Failure> {
        let words: Vec<&String> = wrapper.iter().chain(&self.words).collect();
        let log = fs::File::create(output).map_err(Failure::file(output))?;
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(Failure::io(run::line(&command)))?;
        let mut server = Server { child, address: self.address };
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            if TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok() {
                return Ok(server);
            }
            let ended = server.child.try_wait().map_err(Failure::io(self.name))?.is_some();
            if ended || Instant::now() > deadline {
                let said = fs::read_to_string(output).unwrap_or_default();
                return Err(Failure::Unmet(format!(
                    "{} does not listen on {}: {said}",
                    self.name, self.address
                )));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Server {
    /// The process that was started: the wrapper, if there is one.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks `process` to end, and waits until the one that was started has.
    pub(super) fn stop(mut self, process: u32) -> Result<(), Failure> {
        terminate(process);
        self.child.wait().map(drop).map_err(Failure::io("waiting for a server to end"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            terminate(self.child.id());
            let _ = self.child.wait();
        }
    }
}

fn terminate(process: u32) {
    let _ = Command::new("kill").args(["-TERM", &process.to_string()]).status();
}

/// The upstream: nginx, which answers with a small body and with one of 10 KB.
pub(super) fn upstream(folder: &Path, address: SocketAddr) -> Result<Start, Failure> {
    let body = format!("{{\"text\":\"{}\"}}", "x".repeat(10 * 1024 - 11));
    let file = folder.join("large");
    fs::write(&file, body).map_err(Failure::file(&file))?;
    let server = format!(
        "server {{\n listen {address};\n default_type application/json;\n root {};\n \
         location = /small {{ return 200 '{{\"id\":7,\"name\":\"alice\"}}'; }}\n \
         location = /large {{ }}\n}}\n",
        folder.display()
    );
    nginx(folder, "upstream", address, &server)
}

/// nginx as a proxy in front of `upstream`, which adds `headers` to each response.
pub(super) fn proxy(
    folder: &Path,
    address: SocketAddr,
    upstream: SocketAddr,
    headers: &[(String, String)],
) -> Result<Start, Failure> {
    let mut added = String::new();
    for (name, value) in headers {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = writeln!(added, "  add_header {name} \"{value}\" always;");
    }
    let server = format!(
        "upstream application {{\n server {upstream};\n keepalive 64;\n keepalive_requests 100000000;\n}}\n\
         server {{\n listen {address};\n location / {{\n  proxy_pass http://application;\n  \
         proxy_http_version 1.1;\n  proxy_set_header Connection \"\";\n  proxy_set_header Host $http_host;\n  \
         proxy_set_header X-Forwarded-For $remote_addr;\n  proxy_set_header X-Forwarded-Proto $scheme;\n  \
         proxy_set_header X-Forwarded-Host $http_host;\n{added} }}\n}}\n"
    );
    nginx(folder, "proxy", address, &server)
}

/// One nginx process without a master, with all its files in `folder`.
fn nginx(folder: &Path, name: &'static str, address: SocketAddr, server: &str) -> Result<Start, Failure> {
    let place = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .fold(String::new(), |text, kind| text + &format!(" {kind}_temp_path {place}/{name}-{kind};\n"));
    let configuration = format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid {place}/{name}.pid;\n\
         error_log {place}/{name}.log warn;\nevents {{ worker_connections 1024; }}\nhttp {{\n{temporary} \
         access_log off;\n server_tokens off;\n sendfile on;\n tcp_nodelay on;\n keepalive_requests 100000000;\n{server}}}\n"
    );
    let file = folder.join(format!("{name}.conf"));
    fs::write(&file, configuration).map_err(Failure::file(&file))?;
    let words = [
        program()?.display().to_string(),
        "-c".into(),
        file.display().to_string(),
        "-p".into(),
        place.to_string(),
    ];
    Ok(Start { name, words: words.into(), address })
}

/// nginx, which Debian keeps where a plain user's PATH does not look.
fn program() -> Result<PathBuf, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join("nginx"))
        .find(|program| program.is_file())
        .ok_or_else(|| Failure::Unmet("nginx is missing; on Debian: apt-get install nginx-light".into()))
}

/// The gateway, with one thread, in front of `upstream`.
pub(super) fn gateway(folder: &Path, address: SocketAddr, upstream: SocketAddr) -> Result<Start, Failure> {
    let binary = built("bartizan-cli", "bartizan")?;
    let policy = folder.join("bartizan.toml");
    let text = format!(
        "version = 1\n\n[server]\nlisten = \"{address}\"\nupstream = \"http://{upstream}\"\nthreads = 1\n"
    );
    fs::write(&policy, text).map_err(Failure::file(&policy))?;
    let words =
        [binary.display().to_string(), "serve".into(), "--policy".into(), policy.display().to_string()];
    Ok(Start { name: "gateway", words: words.into(), address })
}
