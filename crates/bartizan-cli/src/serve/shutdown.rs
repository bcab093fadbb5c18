//! When to stop: SIGTERM or Ctrl-C; a second Ctrl-C at once.

use std::{io, process, sync::mpsc, thread};

use tokio::{runtime, sync::oneshot};

use crate::terminal;

/// What a shell reports of a process that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Listens for the signals that ask the process to stop.
pub(crate) struct Shutdown(oneshot::Receiver<()>);

impl Shutdown {
    /// Listens from when this returns: a signal that comes before anybody waits is not lost, and does not end the
    /// process without ceremony. Where the signals cannot be listened for, they keep their usual meaning.
    pub(crate) fn listen() -> Self {
        let (tell, asked) = oneshot::channel();
        let (ready, listening) = mpsc::channel();
        // A thread of its own, which goes on when the serving ones are about to end.
        let watch = move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let watched = runtime.and_then(|runtime| runtime.block_on(watch(&ready, tell)));
            // Said by whoever waits for `ready`, or too late to matter.
            drop(watched);
        };
        if thread::Builder::new().name("signals".into()).spawn(watch).is_ok() {
            // An error is the thread's end: it could not listen.
            let _ = listening.recv();
        }
        Self(asked)
    }

    /// Done when the process was asked to stop. From then on Ctrl-C ends it without waiting for anyone.
    pub(crate) async fn requested(self) {
        if self.0.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
async fn watch(ready: &mpsc::Sender<()>, tell: oneshot::Sender<()>) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupts, mut terminations) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let _ = ready.send(());
    tokio::select! {
        _ = interrupts.recv() => {}
        _ = terminations.recv() => {}
    }
    stop(tell);
    interrupts.recv().await;
    process::exit(INTERRUPTED);
}

#[cfg(not(unix))]
async fn watch(ready: &mpsc::Sender<()>, tell: oneshot::Sender<()>) -> io::Result<()> {
    let _ = ready.send(());
    tokio::signal::ctrl_c().await?;
    stop(tell);
    tokio::signal::ctrl_c().await?;
    process::exit(INTERRUPTED);
}

fn stop(tell: oneshot::Sender<()>) {
    terminal::print_error("stopping: no new connections; Ctrl-C again to end the open ones too\n");
    let _ = tell.send(());
}
