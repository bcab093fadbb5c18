//! The hosts that FastAPI's documentation pages load from, with their names and files, on a loopback port.

use std::{process::Command, time::Duration};

use tempfile::TempDir;

use crate::{fastapi, free_port, install, process::Peer, raw, root, until};

/// The hosts that it stands in for.
const HOSTS: [&str; 5] =
    ["cdn.jsdelivr.net", "cdn.redoc.ly", "fastapi.tiangolo.com", "fonts.googleapis.com", "fonts.gstatic.com"];

/// Has Swagger UI and `ReDoc` at the addresses where FastAPI's pages look for them, over TLS.
///
/// [`Chromium::browser_with`](crate::Chromium::browser_with) opens a browser that finds it.
#[derive(Debug)]
pub struct Cdn {
    peer: Peer,
    port: u16,
    _directory: TempDir,
}

impl Cdn {
    /// Starts it on a free port, with a certificate that nobody has signed.
    ///
    /// `None` where Python or OpenSSL is missing and `CI` is not set; a line on standard error says so.
    pub fn start() -> Option<Self> {
        let python = install::or_skip("a CDN", fastapi::virtual_environment())?;
        let openssl = install::or_skip("a CDN's certificate", install::require(install::OPENSSL))?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let made = Command::new(openssl)
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-subj", "/CN=cdn", "-days", "1", "-keyout", "key.pem", "-out", "certificate.pem"])
            .current_dir(directory.path())
            .output()
            .expect("openssl starts");
        assert!(made.status.success(), "openssl makes no certificate: {made:?}");

        let port = free_port();
        let mut peer = Peer::spawn(
            "cdn",
            Command::new(python)
                .args(["-m", "uvicorn", "cdn:app", "--host", "127.0.0.1", "--port", &port.to_string()])
                .args(["--ssl-keyfile", "key.pem", "--ssl-certfile", "certificate.pem"])
                .current_dir(directory.path())
                .env("PYTHONPATH", root().join("tests/peers/cdn"))
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .env("PYTHONUNBUFFERED", "1"),
        );
        until("the CDN to listen", Duration::from_mins(1), || {
            if let Some(status) = peer.exited() {
                panic!("the CDN ended with {status}:\n{}", peer.log());
            }
            raw::connect(port).ok()
        });
        Some(Self { peer, port, _directory: directory })
    }

    /// The rules by which Chromium takes it for the hosts that it stands in for.
    pub(crate) fn resolver_rules(&self) -> Vec<String> {
        HOSTS.iter().map(|host| format!("MAP {host} 127.0.0.1:{}", self.port)).collect()
    }

    /// Whether it was ever asked for `url`, written without the scheme: `fonts.gstatic.com/s/roboto.woff2`.
    pub fn was_asked_for(&self, url: &str) -> bool {
        let line = format!("asked for {url}");
        self.peer.log().lines().any(|found| found == line)
    }
}
