//! A process that a test started: its output goes to a file, and it dies with its owner.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{self, Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use crate::workspace::peers_dir;

/// A running peer.
#[derive(Debug)]
pub(crate) struct Peer {
    name: &'static str,
    child: Child,
    watchdog: Child,
    lifeline: Option<ChildStdin>,
    log: PathBuf,
    exit: Option<ExitStatus>,
}

impl Peer {
    /// Starts `command` in a process group of its own, with its output in a file.
    pub(crate) fn spawn(name: &'static str, command: &mut Command) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let log = peers_dir("logs").join(format!("{name}-{}-{count}.log", process::id()));
        let output = File::create(&log).expect("a log file under target/");
        let errors = output.try_clone().expect("a second handle on the log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}: {command:?}"));

        // A test process may end without dropping anything: statics are never dropped, and a time limit kills it.
        // So a shell waits on a pipe that only we hold open, and when that closes it kills the peer's group.
        let mut watchdog = Command::new("sh")
            .args(["-c", "cat >/dev/null; kill -s KILL -- \"-$1\" 2>/dev/null", "watchdog"])
            .arg(child.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh starts");
        let lifeline = watchdog.stdin.take();
        Self { name, child, watchdog, lifeline, log, exit: None }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended, and how. What it started and left behind ends then too.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        if self.exit.is_none() {
            self.exit = self.child.try_wait().expect("the state of a child");
            if self.exit.is_some() {
                // Now, not when this is dropped: from here on its number can become another process's, and soon does
                // where 32768 numbers go round among busy tests. A group that is killed late is somebody else's server.
                self.end_watch();
            }
        }
        self.exit
    }

    /// Sends it a signal by name: `TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        assert!(self.exit.is_none(), "{} has ended: its number may be another process's", self.name);
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "kill", signal, &self.id().to_string()])
            .status()
            .expect("sh starts");
        assert!(status.success(), "{} cannot be signalled", self.name);
    }

    /// Everything that it has written so far.
    pub(crate) fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Ends it and everything that it started, at once.
    pub(crate) fn kill(&mut self) {
        if self.exit.is_none() {
            // The watchdog first: until the child is waited for, nobody else can have its process group's number.
            self.end_watch();
            let _ = self.child.kill();
            self.exit = self.child.wait().ok();
        }
    }

    /// Has the watchdog do its work, and end.
    fn end_watch(&mut self) {
        drop(self.lifeline.take());
        let _ = self.watchdog.wait();
    }

    /// A guard that prints the log if the test fails while it is held.
    pub(crate) fn log_on_failure(&self) -> LogOnFailure {
        let from = fs::metadata(&self.log).map_or(0, |metadata| metadata.len());
        LogOnFailure { name: self.name, log: self.log.clone(), from }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            print_tail(self.name, &self.log, 0);
        }
    }
}

/// Prints what a shared peer wrote since this was made, if the test fails while it is held.
#[derive(Debug)]
#[must_use = "prints when it is dropped"]
pub struct LogOnFailure {
    name: &'static str,
    log: PathBuf,
    from: u64,
}

impl Drop for LogOnFailure {
    fn drop(&mut self) {
        if thread::panicking() {
            print_tail(self.name, &self.log, self.from);
        }
    }
}

/// The last 200 lines of `log` behind byte `from`.
fn print_tail(name: &str, log: &PathBuf, from: u64) {
    let mut bytes = Vec::new();
    let Ok(mut file) = File::open(log) else { return };
    let _ = file.read_to_end(&mut bytes);
    let fresh = bytes.get(usize::try_from(from).unwrap_or(0)..).unwrap_or_default();
    let text = String::from_utf8_lossy(fresh);
    let lines: Vec<_> = text.lines().collect();
    eprintln!("---- {name} wrote ({}):", log.display());
    for line in &lines[lines.len().saturating_sub(200)..] {
        eprintln!("{line}");
    }
    eprintln!("---- end of what {name} wrote");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::until;
    use std::{path::Path, time::Duration};

    #[test]
    fn a_peer_dies_with_its_children() {
        let mut peer = Peer::spawn("sleepers", Command::new("sh").args(["-c", "sleep 600 & echo $!; wait"]));
        let grandchild = until("the grandchild's id", Duration::from_secs(5), || {
            let log = peer.log();
            log.ends_with('\n').then(|| log.trim().to_owned())
        });
        assert!(Path::new("/proc").join(&grandchild).exists());
        assert_eq!(peer.exited(), None);
        peer.kill();
        assert!(peer.exited().is_some());
        until("the grandchild's end", Duration::from_secs(5), || {
            let status = fs::read_to_string(format!("/proc/{grandchild}/status")).unwrap_or_default();
            (status.is_empty() || status.contains("State:\tZ")).then_some(())
        });
    }

    #[test]
    fn a_peer_that_ended_by_itself_is_never_signalled_again() {
        let mut peer = Peer::spawn("short", Command::new("sh").args(["-c", "sleep 600 & echo $!"]));
        until("its end", Duration::from_secs(5), || peer.exited());
        // The watchdog has done its work, so that nothing is left to be killed by a number that may be another's.
        assert!(peer.lifeline.is_none());
        assert!(peer.watchdog.try_wait().unwrap().is_some());
        let left = peer.log().trim().to_owned();
        until("the end of what it left", Duration::from_secs(5), || {
            let status = fs::read_to_string(format!("/proc/{left}/status")).unwrap_or_default();
            (status.is_empty() || status.contains("State:\tZ")).then_some(())
        });
        peer.kill();
    }
}
