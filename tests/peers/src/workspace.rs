//! Where the workspace is, where its build output goes, and which port nobody uses.

use std::{
    env,
    fs::{self, File, TryLockError},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
};

/// The top of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/peers is two levels down").into()
}

/// The directory that cargo builds into, whether or not it is the usual `target/`.
pub fn target_dir() -> PathBuf {
    // The running binary lies in it, and cargo marks the top of it for backup programs.
    let running = env::current_exe().expect("the path of the running binary");
    running
        .ancestors()
        .find(|directory| directory.join("CACHEDIR.TAG").is_file())
        .map_or_else(|| root().join("target"), Path::to_path_buf)
}

/// A directory of our own under [`target_dir`], made if need be.
pub(crate) fn peers_dir(name: &str) -> PathBuf {
    let directory = target_dir().join("peers").join(name);
    fs::create_dir_all(&directory).expect("a directory under target/");
    directory
}

/// A TCP port on which nobody listens.
///
/// It lies below the range that Linux takes for outgoing connections, so that none of the many that the tests
/// make can take it before the peer listens; and every process begins its search elsewhere. It is kept for this process
/// until it ends, so that a server that is stopped finds it free when it starts again.
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below COUNT")]
    let start = (process::id().wrapping_mul(37) % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start + step % COUNT) % COUNT;
        let reserved = reserve(port);
        if reserved && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}

/// Whether the port is this process's among all that ask: by a lock on a file, which ends with the process.
///
/// Where no file can be made or locked, the port is whoever's comes first.
fn reserve(port: u16) -> bool {
    static RESERVED: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let directory = env::temp_dir().join("bartizan-peers-ports");
    let file = fs::create_dir_all(&directory).and_then(|()| File::create(directory.join(port.to_string())));
    let Ok(file) = file else { return true };
    match file.try_lock() {
        Ok(()) => {
            RESERVED.lock().unwrap_or_else(PoisonError::into_inner).push(file);
            true
        }
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_found() {
        assert!(root().join("Cargo.lock").is_file());
        assert!(env::current_exe().unwrap().starts_with(target_dir()));
    }

    #[test]
    fn ports_differ() {
        assert_ne!(free_port(), free_port());
    }

    #[test]
    fn a_port_is_kept_though_nobody_listens() {
        let port = free_port();
        // As another process would: a lock is between open files, not between processes.
        assert!(!reserve(port));
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    }
}
