//! Processes that left their group: found by a mark in their environment (Linux).
//!
//! A process that calls `setsid`, as each daemon does, is no longer of the group that is killed, and when its parent
//! ends it is a child of process 1. What it still has is the environment that it was started with. Whoever wants to
//! get away can empty that; no user of a service makes `ping` do so.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    process::Command,
};

const VARIABLE: &str = "BARTIZAN_COMMAND";

/// Marks what the command starts.
pub(super) fn mark(command: &mut Command) -> String {
    let value = format!("{}-{:016x}", std::process::id(), RandomState::new().build_hasher().finish());
    command.env(VARIABLE, &value);
    format!("{VARIABLE}={value}")
}

/// Kills all that have the mark, until none is found.
#[cfg(target_os = "linux")]
pub(super) fn kill(mark: &str) {
    use std::time::{Duration, Instant};

    /// One that forks faster than this looks is given up on after this time.
    const WITHIN: Duration = Duration::from_secs(1);

    let start = Instant::now();
    while kill_once(mark) && start.elapsed() < WITHIN {
        std::thread::yield_now();
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn kill(_mark: &str) {}

/// Whether one was found.
#[cfg(target_os = "linux")]
fn kill_once(mark: &str) -> bool {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    let mut found = false;
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    for number in numbers {
        // The handle first, so that what is killed is what was looked at, though its number be given to another.
        let Some(Ok(process)) = Pid::from_raw(number).map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
            continue;
        };
        // Those of other users cannot be read, and have not been started here.
        let Ok(environment) = std::fs::read(format!("/proc/{number}/environ")) else { continue };
        if environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes()) {
            found |= pidfd_send_signal(process, Signal::KILL).is_ok();
        }
    }
    found
}
