//! Nothing leaves the folder, by any name and in any race, and what was acknowledged is there after a crash.
#![cfg(feature = "path")]

use bartizan_sinks::path::{ConfinedDir, FileName, FileNameError, PathError};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

/// A folder `inside` beside a file `secret`, and a folder whose name begins alike.
fn place() -> (tempfile::TempDir, ConfinedDir) {
    place_in(&std::env::temp_dir())
}

fn place_in(folder: &Path) -> (tempfile::TempDir, ConfinedDir) {
    let place = tempfile::tempdir_in(folder).unwrap();
    fs::create_dir(place.path().join("inside")).unwrap();
    fs::create_dir(place.path().join("inside-private")).unwrap();
    fs::write(place.path().join("secret"), "secret").unwrap();
    fs::write(place.path().join("inside-private/secret"), "secret").unwrap();
    let folder = ConfinedDir::open(place.path().join("inside")).unwrap();
    (place, folder)
}

fn name(name: &str) -> FileName {
    FileName::parse(name).unwrap()
}

/// As a server does with a path: `%41` once.
fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let digits = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => (decoded.push(byte), at += 3).1,
            None => (decoded.push(bytes[at]), at += 1).1,
        }
    }
    decoded
}

/// Each byte with a percent sign.
fn encoded(path: &str, sign: &str) -> String {
    path.bytes().fold(String::new(), |text, byte| format!("{text}{sign}{byte:02x}"))
}

/// Each class of traversal: as it is, decoded once, and decoded twice. Every spelling is refused as a name, or is the
/// name of a file that would be in the folder.
#[test]
fn no_spelling_of_a_path_leaves() {
    let (place, folder) = place_in_memory();
    let roots = [
        "../",
        "..\\",
        "/",
        "\\",
        "C:\\",
        "C:",
        "//",
        "\\\\?\\",
        "file:///",
        "./../",
        ".../...//",
        "....//",
        ".. /",
        "../ ",
        "..;/",
        "..\0/",
        "\0../",
        "~/",
        "$HOME/",
    ];
    let encodings: &[fn(&str) -> String] = &[
        str::to_owned,
        |path| encoded(path, "%"),
        |path| encoded(path, "%25"),
        |path| path.replace('.', "%2e"),
        |path| path.replace('/', "%2f").replace('\\', "%5c"),
        |path| path.replace('/', "%252f").replace('\\', "%255c"),
        |path| path.replace('/', "%c0%af").replace('\\', "%c1%9c"),
        |path| path.replace('.', "%c0%ae"),
        |path| path.replace('.', "%e0%80%ae").replace('/', "%e0%80%af"),
        |path| path.replace('.', "%f0%80%80%ae"),
        |path| path.replace('/', "\u{2215}").replace('.', "\u{2024}"),
        |path| path.replace('/', "\u{ff0f}").replace('.', "\u{ff0e}"),
        |path| path.replace('/', "%u2215"),
    ];
    let (mut tried, mut seen) = (0, std::collections::HashSet::new());
    for root in roots {
        for target in
            ["secret", "inside-private/secret", "etc/passwd", "secret\0.png", "secret%00.png", "secret "]
        {
            for depth in [1, 2, 8] {
                for encode in encodings {
                    let once = encode(&format!("{}{target}", root.repeat(depth)));
                    let twice = decoded(&once);
                    let thrice = decoded(&String::from_utf8_lossy(&twice));
                    for bytes in [once.into_bytes(), twice, thrice] {
                        tried += 1;
                        if !seen.insert(bytes.clone()) {
                            continue;
                        }
                        let Ok(name) = FileName::parse_bytes(&bytes) else { continue };
                        let found = folder.open_file(&name);
                        assert!(matches!(found, Err(PathError::NotFound { .. })), "{name:?}: {found:?}");
                        folder.write(&name, b"theirs").unwrap();
                        assert!(place.path().join("inside").join(name.as_str()).is_file(), "{name:?}");
                        folder.remove(&name).unwrap();
                    }
                }
            }
        }
    }
    assert!(tried > 10_000, "{tried}");
    assert_eq!(fs::read_to_string(place.path().join("secret")).unwrap(), "secret");
    assert_eq!(fs::read_dir(place.path().join("inside")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 3);
}

#[test]
fn a_symlink_is_neither_followed_nor_written_through() {
    let (place, folder) = place();
    let inside = place.path().join("inside");
    fs::write(inside.join("file"), "ours").unwrap();
    for (link, target) in [
        ("out", "../secret"),
        ("absolute", place.path().join("secret").to_str().unwrap()),
        ("within", "file"),
        ("folder", ".."),
        ("loop", "loop"),
        ("gone", "nowhere"),
        ("magic", "/proc/self/root/etc/passwd"),
    ] {
        symlink(target, inside.join(link)).unwrap();
        let found = folder.open_file(&name(link));
        assert!(matches!(found, Err(PathError::NotAFile { .. })), "{link}: {found:?}");
        assert!(
            folder.list(100).unwrap().entries.iter().all(|entry| entry.name.as_str() == "file"),
            "{link}"
        );
        let new = folder.create(&name(link), 10).unwrap().commit_new();
        assert!(matches!(new, Err(PathError::Exists { .. })), "{link}: {new:?}");

        folder.write(&name(link), b"theirs").unwrap();
        assert!(fs::symlink_metadata(inside.join(link)).unwrap().is_file(), "{link}: the link is replaced");
        folder.remove(&name(link)).unwrap();

        symlink(target, inside.join(link)).unwrap();
        folder.remove(&name(link)).unwrap();
    }
    assert_eq!(fs::read_to_string(place.path().join("secret")).unwrap(), "secret");
    assert_eq!(fs::read_to_string(inside.join("file")).unwrap(), "ours");
}

#[test]
fn only_regular_files_are_opened() {
    let (place, folder) = place();
    let inside = place.path().join("inside");
    fs::create_dir(inside.join("folder")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(inside.join("socket")).unwrap();
    assert!(Command::new("mkfifo").arg(inside.join("pipe")).status().unwrap().success());
    for other in ["folder", "socket", "pipe"] {
        let found = folder.open_file(&name(other));
        assert!(matches!(found, Err(PathError::NotAFile { .. })), "{other}: {found:?}");
    }
    assert!(folder.list(100).unwrap().entries.is_empty());
    assert!(matches!(folder.remove(&name("folder")), Err(PathError::NotAFile { .. })));
    // What is no folder is opened as none either, and a pipe is not waited for.
    for other in ["secret", "inside/socket", "inside/pipe", "nowhere"] {
        let found = ConfinedDir::open(place.path().join(other));
        assert!(matches!(found, Err(PathError::Io(_))), "{other}: {found:?}");
    }
}

#[test]
fn the_folder_is_the_one_that_was_opened() {
    let (place, folder) = place();
    folder.write(&name("file"), b"ours").unwrap();
    fs::rename(place.path().join("inside"), place.path().join("moved")).unwrap();
    symlink("inside-private", place.path().join("inside")).unwrap();
    assert_eq!(folder.read(&name("file"), 10).unwrap(), b"ours");
    assert!(matches!(folder.open_file(&name("secret")), Err(PathError::NotFound { .. })));
}

/// Memory, where there is such a folder: the disk's flushes would only slow a race down.
fn place_in_memory() -> (tempfile::TempDir, ConfinedDir) {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { place_in(memory) } else { place() }
}

/// Another thread makes the name a file of the folder and a symlink out of it, in turn and without a pause, while it is
/// opened and written.
#[test]
fn a_symlink_swapped_in_during_the_request_does_not_help() {
    let (place, folder) = place_in_memory();
    let inside = place.path().join("inside");
    let (done, swaps) = (AtomicBool::new(false), std::sync::atomic::AtomicU64::new(0));
    let (mut ours, mut refused, mut written) = (0, 0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (link, file) = (inside.join("..link"), inside.join("..file"));
            while !done.load(Ordering::Relaxed) {
                fs::write(&file, "ours").unwrap();
                fs::rename(&file, inside.join("name")).unwrap();
                symlink("../secret", &link).unwrap();
                fs::rename(&link, inside.join("name")).unwrap();
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        });
        let name = name("name");
        let mut round = 0;
        while round < 10_000 || swaps.load(Ordering::Relaxed) < 10_000 {
            round += 1;
            match folder.open_file(&name) {
                Ok(mut file) => {
                    let mut text = String::new();
                    file.read_to_string(&mut text).unwrap();
                    assert!(["ours", "new"].contains(&text.as_str()), "{text:?}");
                    ours += 1;
                }
                Err(PathError::NotAFile { .. }) => refused += 1,
                Err(PathError::NotFound { .. }) if round < 1_000 => {}
                Err(error) => panic!("{error}"),
            }
            if round % 100 == 0 {
                let mut file = folder.create(&name, 3).unwrap();
                file.write(b"new").unwrap();
                file.commit().unwrap();
                written += 1;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read_to_string(place.path().join("secret")).unwrap(), "secret");
    assert!(ours > 100 && refused > 100 && written >= 100, "{ours} {refused} {written}: the race was one");
}

#[test]
fn two_writers_leave_a_whole_file_of_one_of_them() {
    let (_place, folder) = place();
    let name = name("name");
    let whole = |byte: u8| vec![byte; 300_000];
    folder.write(&name, &whole(b'0')).unwrap();
    let mut winners = 0;
    thread::scope(|scope| {
        let writers: Vec<_> = [b'a', b'b']
            .into_iter()
            .map(|byte| {
                let (folder, name, whole) = (&folder, &name, &whole);
                scope.spawn(move || {
                    let mut firsts = 0;
                    for round in 0..50 {
                        let mut file = folder.create(name, 300_000).unwrap();
                        for chunk in whole(byte).chunks(10_000) {
                            file.write(chunk).unwrap();
                        }
                        file.commit().unwrap();
                        let only = FileName::parse(&format!("only {round}")).unwrap();
                        firsts += u32::from(folder.create(&only, 0).unwrap().commit_new().is_ok());
                    }
                    firsts
                })
            })
            .collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            let seen = folder.read(&name, 300_000).unwrap();
            assert!([b'0', b'a', b'b'].iter().any(|&byte| seen == whole(byte)), "torn");
        }
        for writer in writers {
            winners += writer.join().unwrap();
        }
    });
    assert_eq!(winners, 50, "of two that would be the first, one is");
    assert_eq!(folder.list(100).unwrap().entries.len(), 51);
}

#[test]
fn a_file_that_is_too_large_leaves_nothing() {
    let (place, folder) = place();
    folder.write(&name("name"), b"old").unwrap();
    let mut file = folder.create(&name("name"), 10).unwrap();
    file.write(&[0; 10]).unwrap();
    assert!(matches!(file.write(&[0]), Err(PathError::TooLarge { limit: 10, .. })));
    drop(file);
    assert_eq!(folder.read(&name("name"), 10).unwrap(), b"old");
    assert_eq!(fs::read_dir(place.path().join("inside")).unwrap().count(), 1);
}

#[test]
fn what_a_crash_left_is_removed_and_what_is_being_written_is_not() {
    let (place, folder) = place();
    let inside = place.path().join("inside");
    fs::write(inside.join(".bartizan-0123456789abcdef"), "left").unwrap();
    let mut file = folder.create(&name("name"), 10).unwrap();
    file.write(b"whole").unwrap();
    ConfinedDir::open(&inside).unwrap();
    assert_eq!(fs::read_dir(&inside).unwrap().count(), 1);
    file.commit().unwrap();
    assert_eq!(folder.read(&name("name"), 10).unwrap(), b"whole");
    assert_eq!(FileName::parse(".bartizan-0123456789abcdef"), Err(FileNameError::LeadingDot));
}

/// Another thread makes a leftover a pipe, and a symlink, in turn and without a pause, while the folder is opened.
#[test]
fn a_pipe_swapped_in_for_a_leftover_is_not_waited_for() {
    let (place, _folder) = place_in_memory();
    let inside = place.path().join("inside");
    let (file, pipe, link) = (inside.join("file"), inside.join("pipe"), inside.join("link"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    symlink("../secret", &link).unwrap();
    let leftover = inside.join(".bartizan-0123456789abcdef");
    let done = AtomicBool::new(false);
    let (opened, all_opened) = std::sync::mpsc::channel();
    thread::spawn({
        let inside = inside.clone();
        move || {
            for _ in 0..20_000 {
                ConfinedDir::open(&inside).unwrap();
            }
            opened.send(()).unwrap();
        }
    });
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                fs::write(&file, "left").unwrap();
                for other in [&file, &pipe, &link] {
                    let _ = fs::remove_file(&leftover);
                    let _ = fs::hard_link(other, &leftover);
                }
            }
        });
        let ended = all_opened.recv_timeout(std::time::Duration::from_mins(1));
        done.store(true, Ordering::Relaxed);
        ended.unwrap();
    });
    assert_eq!(fs::read_to_string(place.path().join("secret")).unwrap(), "secret");
}

/// What a child of this test does: `child` is run by the tests below as a process of its own.
const CHILD: &str = "BARTIZAN_TEST_FOLDER";

/// This test program again, at one test, with a folder.
fn child(test: &str, folder: &Path) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]).env(CHILD, folder).stdout(Stdio::piped());
    child
}

/// Writes, and acknowledges each file on standard output, until it is killed.
#[test]
fn child_that_acknowledges() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let folder = ConfinedDir::open(folder).unwrap();
    for round in 0.. {
        folder.write(&name(&format!("{round}.txt")), format!("{round}").repeat(1_000).as_bytes()).unwrap();
        folder.write(&name("latest.txt"), format!("{round:>6}").repeat(1_000).as_bytes()).unwrap();
        writeln!(std::io::stdout(), "ack {round}").unwrap();
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let (place, folder) = place();
    for killing in 1..=5_usize {
        let mut writer = child("child_that_acknowledges", &place.path().join("inside")).spawn().unwrap();
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let mut acknowledged: Vec<u32> = Vec::new();
        for line in lines {
            // The first line of a test program's own output shares the line with nothing of ours.
            if let Some(round) = line.unwrap().strip_prefix("ack ") {
                acknowledged.push(round.parse().unwrap());
            }
            if acknowledged.len() == killing * 7 {
                writer.kill().unwrap();
            }
        }
        writer.wait().unwrap();
        assert!(acknowledged.len() >= killing * 7);
        for round in &acknowledged {
            let text = folder.read(&name(&format!("{round}.txt")), 100_000).unwrap();
            assert_eq!(text, round.to_string().repeat(1_000).as_bytes());
        }
        let latest = folder.read(&name("latest.txt"), 100_000).unwrap();
        let round: u32 = std::str::from_utf8(&latest[..6]).unwrap().trim().parse().unwrap();
        assert_eq!(latest, format!("{round:>6}").repeat(1_000).as_bytes(), "whole");
        assert!(round >= *acknowledged.last().unwrap());

        let folder = ConfinedDir::open(place.path().join("inside")).unwrap();
        let names: Vec<_> =
            fs::read_dir(place.path().join("inside")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| !name.to_str().unwrap().starts_with('.')), "{names:?}");
        for entry in folder.list(10_000).unwrap().entries {
            folder.remove(&entry.name).unwrap();
        }
    }
}

/// Fills a small file system, and says what it saw.
#[test]
fn child_that_fills_the_disk() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let folder = ConfinedDir::open(folder).unwrap();
    folder.write(&name("kept"), b"kept").unwrap();
    let mut file = folder.create(&name("kept"), u64::MAX).unwrap();
    let full = loop {
        if let Err(error) = file.write(&[7; 4_096]) {
            break error;
        }
    };
    assert!(matches!(full, PathError::Full), "{full:?}");
    let refused = folder.write(&name("other"), &[7; 8_192]);
    assert!(matches!(refused, Err(PathError::Full)), "{refused:?}");
    drop(file);
    assert_eq!(folder.read(&name("kept"), 100).unwrap(), b"kept");
    assert_eq!(folder.list(100).unwrap().entries.len(), 1);
    folder.write(&name("other"), &[7; 8_192]).unwrap();
    writeln!(std::io::stdout(), "full and kept").unwrap();
}

/// A real file system of 64 KiB, mounted in a namespace that goes with the child: it needs no more rights than Linux
/// gives every user, where that is not switched off.
#[test]
fn a_full_disk_is_told_apart_and_keeps_what_was_there() {
    let place = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=64k bartizan "$0" || exit 77; exec "$@""#;
    let program = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(place.path())
        .arg(program)
        .args(["--exact", "child_that_fills_the_disk", "--nocapture"])
        .env(CHILD, place.path())
        .output();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output {
        Ok(output) if output.status.success() => {
            assert!(text(&output.stdout).contains("full and kept"), "{}", text(&output.stdout));
        }
        Ok(output) if output.status.code() == Some(101) => {
            panic!("{}{}", text(&output.stdout), text(&output.stderr));
        }
        Ok(output) => skipped(&text(&output.stderr)),
        Err(error) => skipped(&error.to_string()),
    }
}

/// Loud, because then nothing showed it here; and where everything has to be shown, a failure.
fn skipped(why: &str) {
    // Not `eprintln`, which the test harness keeps to itself.
    let mut stderr = std::io::stderr();
    writeln!(stderr, "SKIPPED, a full disk, for want of a file system that `unshare` may mount: {why}")
        .unwrap();
    let must_run = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    assert!(!must_run, "with `CI` set, nothing may be skipped");
}
