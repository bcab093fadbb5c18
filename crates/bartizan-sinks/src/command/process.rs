//! A process and its group, from start to end.
//!
//! A thread of its own starts each process, waits for it, and reaps it: so it is reaped also when nobody asks any more.
//! The group is killed before the process is reaped, because until then no other process can have its number.

use super::{Output, strays};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use std::{
    io,
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    sync::oneshot,
    time::{Instant, timeout_at},
};

/// How long a killed process may take to be gone. One that waits for a broken disk cannot be killed at once.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// Why there is no status.
pub(super) enum Cut {
    NotStarted(io::Error),
    TimedOut,
    Flooded,
    Io(io::Error),
}

/// A process that was started. Dropped, it is killed with its group.
struct Started {
    group: Group,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
}

/// The group that a process leads, for as long as its number is known to be its.
#[derive(Clone)]
struct Group(Arc<Mutex<Option<Pid>>>);

/// Starts a process and reads what it writes, to its end.
pub(super) async fn run(
    command: Command,
    timeout: Duration,
    limit: usize,
) -> Result<(ExitStatus, Output), Cut> {
    let deadline = Instant::now() + timeout;
    let (start, started) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let supervisor = thread::Builder::new().name("command".to_owned());
    supervisor.spawn(move || supervise(command, start, end)).map_err(Cut::NotStarted)?;

    // Given up while it starts, the supervisor finds nobody to hand it to, and kills it.
    let mut process = match timeout_at(deadline, started).await {
        Ok(Ok(started)) => started.map_err(Cut::NotStarted)?,
        Ok(Err(_)) => return Err(Cut::Io(io::ErrorKind::BrokenPipe.into())),
        Err(_) => return Err(Cut::TimedOut),
    };
    let mut ended = std::pin::pin!(ended);
    let finish = async {
        let output = process.read(limit).await?;
        match ended.as_mut().await {
            Ok(status) => Ok((status.map_err(Cut::Io)?, output)),
            Err(_) => Err(Cut::Io(io::ErrorKind::BrokenPipe.into())),
        }
    };
    let finished = timeout_at(deadline, finish).await.unwrap_or(Err(Cut::TimedOut));
    if finished.is_err() {
        process.group.kill();
        // Whoever is told that it was killed may rely on it.
        let _ = tokio::time::timeout(GONE_WITHIN, ended).await;
    }
    finished
}

/// The life of a process, on a thread of its own.
fn supervise(
    mut command: Command,
    start: oneshot::Sender<io::Result<Started>>,
    end: oneshot::Sender<io::Result<ExitStatus>>,
) {
    let mark = strays::mark(&mut command);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            // Nobody may be there to be told.
            let _ = start.send(Err(error));
            return;
        }
    };
    let group = Group(Arc::new(Mutex::new(Some(Pid::from_child(&child)))));
    let started = Started { group: group.clone(), stdout: child.stdout.take(), stderr: child.stderr.take() };
    // What is not taken is dropped here, and so killed.
    drop(start.send(Ok(started)));
    let status = group.reap(&mut child);
    // Before the end is told: it is one only when all are gone.
    strays::kill(&mark);
    let _ = end.send(status);
}

impl Group {
    /// Kills all processes of the group, if the process that leads it has not been reaped.
    fn kill(&self) {
        kill_group(*self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits for the process to end, kills the rest of its group, and reaps it.
    fn reap(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let ended = WaitId::Pid(Pid::from_child(child));
        while let Err(rustix::io::Errno::INTR) =
            waitid(ended.clone(), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
        {}
        let mut leader = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kill_group(*leader);
        let status = child.wait();
        *leader = None;
        status
    }
}

/// A process that is gone, or that is not ours to kill any more, is no error that anybody could act on.
fn kill_group(leader: Option<Pid>) {
    if let Some(leader) = leader {
        let _ = kill_process_group(leader, Signal::KILL);
        // It may have moved to another group of our session.
        let _ = kill_process(leader, Signal::KILL);
    }
}

impl Started {
    /// Reads both outputs until their ends, or until they are `limit` bytes together.
    async fn read(&mut self, limit: usize) -> Result<Output, Cut> {
        let stdout =
            self.stdout.take().map(tokio::process::ChildStdout::from_std).transpose().map_err(Cut::Io)?;
        let stderr =
            self.stderr.take().map(tokio::process::ChildStderr::from_std).transpose().map_err(Cut::Io)?;
        let left = Mutex::new(limit);
        let (stdout, stderr) = tokio::try_join!(read(stdout, &left), read(stderr, &left))?;
        Ok(Output { stdout, stderr })
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.group.kill();
    }
}

/// Reads one output; both take from what is left.
async fn read(output: Option<impl AsyncRead + Unpin>, left: &Mutex<usize>) -> Result<Vec<u8>, Cut> {
    let mut read = Vec::new();
    let Some(mut output) = output else { return Ok(read) };
    loop {
        let before = read.len();
        if output.read_buf(&mut read).await.map_err(Cut::Io)? == 0 {
            return Ok(read);
        }
        let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.checked_sub(read.len() - before).ok_or(Cut::Flooded)?;
    }
}
