//! Redis: one server, or a cluster of three.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    free_port,
    install::{self, OPENSSL, REDIS_CLI, REDIS_SERVER},
    process::{LogOnFailure, Peer},
    until,
};

const LIMIT: Duration = Duration::from_secs(30);

/// A `redis-server` of its own, on a free port of 127.0.0.1, with its data in a temporary directory.
#[derive(Debug)]
pub struct Redis {
    /// `None` while it is away.
    peer: Option<Peer>,
    port: u16,
    directory: TempDir,
    arguments: Vec<String>,
}

impl Redis {
    /// Starts one that keeps what it has in memory only, and waits until it answers. `None`, with a line on standard
    /// error, where there is none on this machine.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// Starts one that writes down what it is told before it answers, so that [`kill`](Self::kill) loses nothing.
    pub fn start_durable() -> Option<Self> {
        // By default it may answer two seconds before it writes.
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Starts one that also speaks TLS, with a certificate for 127.0.0.1 that only [`Tls::root`] vouches for. `None`
    /// where OpenSSL is missing too.
    pub fn start_with_tls() -> Option<(Self, Tls)> {
        let openssl = install::or_skip("Redis's certificate", install::require(OPENSSL))?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let sign = |arguments: &[&str]| {
            let made = Command::new(&openssl)
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
                .args(["-days", "1"])
                .args(arguments)
                .current_dir(directory.path())
                .output()
                .expect("openssl starts");
            assert!(made.status.success(), "openssl makes no certificate: {made:?}");
        };
        sign(&["-subj", "/CN=root", "-keyout", "root.key", "-out", "root.pem"]);
        sign(&[
            "-subj",
            "/CN=redis",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-CA",
            "root.pem",
            "-CAkey",
            "root.key",
            "-keyout",
            "redis.key",
            "-out",
            "redis.pem",
        ]);
        let root = fs::read(directory.path().join("root.pem")).expect("a certificate");
        let port = free_port();
        let path = |name: &str| directory.path().join(name).to_str().expect("a readable name").to_owned();
        let redis = Self::start_with(&[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &path("redis.pem"),
            "--tls-key-file",
            &path("redis.key"),
            "--tls-ca-cert-file",
            &path("root.pem"),
            "--tls-auth-clients",
            "no",
        ])?;
        Some((redis, Tls { port, root, _directory: directory }))
    }

    /// Starts one with further arguments: `["--requirepass", "secret"]`.
    pub fn start_with(arguments: &[&str]) -> Option<Self> {
        install::or_skip("Redis", install::require(REDIS_SERVER))?;
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut redis = Self { peer: None, port: free_port(), directory, arguments };
        redis.start_again();
        Some(redis)
    }

    /// Starts it again with other arguments than before.
    pub fn start_again_with(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self.start_again();
    }

    /// Starts it again on the same port with the same directory.
    pub fn start_again(&mut self) {
        assert!(self.peer.is_none(), "it runs");
        let program = install::require(REDIS_SERVER).expect("it was there before");
        let mut peer = Peer::spawn(
            "redis",
            Command::new(program)
                .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
                .arg(self.directory.path())
                .args(&self.arguments),
        );
        until("redis to answer", LIMIT, || {
            if let Some(status) = peer.exited() {
                panic!("redis-server ended with {status}:\n{}", peer.log());
            }
            let answer = self.say("PING");
            (answer.starts_with("+PONG") || answer.starts_with("-NOAUTH")).then_some(())
        });
        self.peer = Some(peer);
    }

    /// Ends it at once: SIGKILL.
    pub fn kill(&mut self) {
        self.peer.take().expect("it runs").kill();
    }

    /// Ends it as service managers do, SIGTERM, and waits until it has.
    pub fn stop(&mut self) {
        let mut peer = self.peer.take().expect("it runs");
        peer.signal("TERM");
        until("redis to end", LIMIT, || peer.exited());
    }

    /// Has it stand still, SIGSTOP: connections stay open, and nothing is answered.
    pub fn freeze(&self) {
        self.peer.as_ref().expect("it runs").signal("STOP");
    }

    /// Has it go on.
    pub fn thaw(&self) {
        self.peer.as_ref().expect("it runs").signal("CONT");
    }

    /// The port that it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it is, for clients.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Where its files are.
    pub fn data(&self) -> &Path {
        self.directory.path()
    }

    /// For a shared instance: prints what it wrote meanwhile if the test fails.
    pub fn log_on_failure(&self) -> LogOnFailure {
        self.peer.as_ref().expect("it runs").log_on_failure()
    }

    /// What it answers to an inline command; nothing where it is away.
    fn say(&self, command: &str) -> String {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else {
            return String::new();
        };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let _ = stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// How a [`Redis`] is reached by TLS.
#[derive(Debug)]
pub struct Tls {
    /// On 127.0.0.1.
    pub port: u16,
    /// Whose certificate, in PEM, the server's is signed with.
    pub root: Vec<u8>,
    _directory: TempDir,
}

/// A Redis Cluster: three masters without replicas.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts it and waits until all nodes know that it is whole. `None` where there is no Redis on this machine.
    pub fn start() -> Option<Self> {
        let cli = install::or_skip("Redis Cluster", install::require(REDIS_CLI))?;
        let node = || {
            // By default the nodes' own port is 10000 above, where it may be taken.
            let bus = free_port().to_string();
            Redis::start_with(&[
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
                "--cluster-node-timeout",
                "2000",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
            ])
        };
        let nodes: Vec<_> = (0..3).map(|_| node()).collect::<Option<_>>()?;
        let output = Command::new(cli)
            .args(["--cluster", "create", "--cluster-yes"])
            .args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)))
            .output()
            .expect("redis-cli starts");
        assert!(output.status.success(), "no cluster: {}", String::from_utf8_lossy(&output.stdout));
        let cluster = Self { nodes };
        cluster.wait_until_whole();
        Some(cluster)
    }

    /// Waits until all nodes know that all slots are served.
    pub fn wait_until_whole(&self) {
        until("the cluster to be whole", LIMIT, || {
            let whole = |node: &Redis| node.say("CLUSTER INFO").contains("cluster_state:ok");
            self.nodes.iter().all(whole).then_some(())
        });
    }

    /// Where its nodes are, for clients.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    /// Its nodes, to be killed and started again.
    pub fn nodes(&mut self) -> &mut [Redis] {
        &mut self.nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_survives_a_kill() {
        let Some(mut redis) = Redis::start_durable() else { return };
        assert!(redis.say("SET key value").starts_with("+OK"));
        redis.kill();
        assert_eq!(redis.say("PING"), "");
        redis.start_again();
        assert!(redis.say("GET key").contains("value"));
        redis.stop();
        redis.start_again();
        assert!(redis.say("GET key").contains("value"));
    }

    #[test]
    fn a_cluster_has_its_slots_on_three_nodes() {
        let Some(cluster) = RedisCluster::start() else { return };
        let answers: Vec<_> = cluster.nodes.iter().map(|node| node.say("GET key")).collect();
        assert_eq!(answers.iter().filter(|answer| answer.starts_with("-MOVED")).count(), 2, "{answers:?}");
    }
}
