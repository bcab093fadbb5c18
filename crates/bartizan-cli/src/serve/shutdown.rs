//! When to stop: SIGTERM or Ctrl-C; a second Ctrl-C at once.

use std::{future::Future, process};

use tokio::signal;

use crate::terminal;

/// What a shell reports of a process that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Done when the process is asked to stop. From then on Ctrl-C ends it without waiting for anyone.
pub(super) async fn requested() {
    tokio::select! {
        () = terminated() => {}
        () = interrupted() => {}
    }
    terminal::print_error("stopping: no new connections; Ctrl-C again to end the open ones too\n");
    // A thread of its own: this runtime is about to be left alone.
    let second = std::thread::Builder::new().name("interrupt".into()).spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if let Ok(runtime) = runtime {
            runtime.block_on(interrupted());
            process::exit(INTERRUPTED);
        }
    });
    // Without it the drain's own deadline still ends the process.
    drop(second);
}

/// Where the signal cannot be listened for, it keeps its usual meaning and ends the process by itself.
async fn interrupted() {
    if signal::ctrl_c().await.is_err() {
        never().await;
    }
}

#[cfg(unix)]
async fn terminated() {
    match signal::unix::signal(signal::unix::SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => never().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    never().await;
}

fn never() -> impl Future<Output = ()> {
    std::future::pending()
}
