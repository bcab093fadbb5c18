//! The demo of the `bartizan` binary.

use std::{
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{Command, ExitStatus},
    time::Duration,
};

use crate::{Gateway, free_port, process::Peer, until};

/// `bartizan demo`, running.
#[derive(Debug)]
pub struct Demo {
    peer: Peer,
    port: u16,
    attacker_port: u16,
}

impl Demo {
    /// Starts it on free ports, with its data in the folder `data`, and waits until it accepts connections.
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, |_| ())
    }

    /// The same, with more arguments, or another environment.
    pub fn start_with(data: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let (port, attacker_port) = (free_port(), free_port());
        let mut command = Command::new(Gateway::binary());
        command
            .args(["demo", "--port", &port.to_string(), "--attacker-port", &attacker_port.to_string()])
            .arg("--data")
            .arg(data);
        change(&mut command);
        let mut peer = Peer::spawn("demo", &mut command);
        // It listens before it is ready; what it says at start it says once it serves.
        until("the demo to serve", Duration::from_mins(1), || {
            if let Some(status) = peer.exited() {
                panic!("bartizan demo ended with {status}:\n{}", peer.log());
            }
            peer.log().contains("Ctrl-C").then_some(())
        });
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the demo accepts connections");
        Self { peer, port, attacker_port }
    }

    /// The URL of `path` at the API.
    pub fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    /// The URL of `path` at the attacker's site.
    pub fn attackers_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.attacker_port)
    }

    /// What it has written.
    pub fn log(&self) -> String {
        self.peer.log()
    }

    /// Asks it to end, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.peer.signal("INT");
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.peer.exited()
    }
}
