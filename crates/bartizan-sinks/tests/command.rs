//! Hosts that are none start nothing, and what is started is ended in time with all that it started.
#![cfg(all(feature = "command", target_os = "linux"))]

use bartizan_sinks::command::{
    Command, CommandError, Hostname, Operand, Output, PrivateAddresses, ResolveError, SystemResolver,
};
use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

/// A shell that runs a script of this test, findable by a variable of this test.
fn script(script: &'static str, mark: &str) -> Command {
    let path = "/usr/local/bin:/usr/bin:/bin";
    let shell = Command::new("/bin/sh").unwrap().argument("-c").argument(script);
    shell.environment("PATH", path).environment("BARTIZAN_TEST", mark)
}

/// How many processes live that were started with this variable.
fn alive(mark: &str) -> usize {
    let variable = format!("BARTIZAN_TEST={mark}");
    let has_mark = |process: &fs::DirEntry| {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|one| one == variable.as_bytes())
    };
    fs::read_dir("/proc").unwrap().flatten().filter(has_mark).count()
}

/// Waits until this holds, and fails where it does not within some seconds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_child_does_it_is_ended_in_time_with_all_that_it_started() {
    for (name, text, expected) in [
        ("answers", "echo answer", "answer\n"),
        ("sleeps", "sleep 60", "timed out"),
        ("execs", "exec sleep 60", "timed out"),
        ("ignores signals", "trap '' TERM INT HUP QUIT; while :; do sleep 60; done", "timed out"),
        ("closes its output", "exec >&- 2>&-; sleep 60", "timed out"),
        ("floods", "yes", "flooded"),
        ("floods its errors", "yes >&2", "flooded"),
        ("floods from a grandchild", "yes & sleep 60", "flooded"),
        ("stops itself", "kill -STOP $$; sleep 60", "timed out"),
        ("forks and waits", "sleep 60 & sleep 60 & wait", "timed out"),
        ("forks many", "for i in 1 2 3 4 5 6 7 8 9; do (sleep 60; sleep 60) & done; wait", "timed out"),
        ("forks and ends", "sleep 60 & echo answer", "answer\n"),
        ("forks twice and ends", "(sleep 60 & exit 0); echo answer", "answer\n"),
        ("leaves its session", "setsid sleep 60", "timed out"),
        ("leaves its session and ends", "setsid sleep 60 & echo answer", "answer\n"),
        (
            "is a daemon",
            "setsid sh -c 'sleep 60 & sleep 60' </dev/null >/dev/null 2>&1 & echo answer",
            "answer\n",
        ),
        ("floods as a daemon", "setsid yes & sleep 60", "flooded"),
        ("breeds", "setsid sh -c 'while sleep 0.02; do setsid sleep 60 & done' & sleep 60", "timed out"),
    ] {
        let start = Instant::now();
        // What ends by itself may take its time where the machine is busy.
        let timeout = Duration::from_millis(if expected == "timed out" { 700 } else { 15_000 });
        let ended = match script(text, name).output_limit(100_000).timeout(timeout).run().await {
            Ok(output) => String::from_utf8(output.stdout).unwrap(),
            Err(CommandError::TimedOut { .. }) => "timed out".to_owned(),
            Err(CommandError::Flooded { limit: 100_000 }) => "flooded".to_owned(),
            Err(other) => panic!("{name}: {other}"),
        };
        assert_eq!(ended, expected, "{name}");
        assert!(start.elapsed() < timeout + Duration::from_secs(4), "{name}: {:?}", start.elapsed());
        until(name, || alive(name) == 0).await;
    }
}

/// Whether the process whose number stands in this file runs.
fn runs(file: &Path) -> bool {
    let Ok(number) = fs::read_to_string(file) else { return false };
    // What is dead has no command line, also before whoever inherited it has reaped it.
    fs::read(format!("/proc/{}/cmdline", number.trim())).is_ok_and(|line| !line.is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_the_end_may_rely_on_it_also_where_the_environment_was_emptied() {
    let place = tempfile::tempdir().unwrap();
    let (leader, emptied) = (place.path().join("leader"), place.path().join("emptied"));
    for (text, is_killed) in [
        ("echo $$ > leader; env -i sh -c 'echo $$ > emptied; exec sleep 60' & wait", true),
        (
            "rm emptied; echo $$ > leader; env -i sh -c 'echo $$ > emptied; exec sleep 60' &
             until [ -s emptied ]; do :; done",
            false,
        ),
    ] {
        let command = script(text, "emptied").directory(place.path()).timeout(Duration::from_secs(2));
        let end = command.run().await;
        assert_eq!(matches!(end, Err(CommandError::TimedOut { .. })), is_killed, "{text}: {end:?}");
        let number = fs::read_to_string(&leader).unwrap();
        assert!(
            !Path::new("/proc").join(number.trim()).exists(),
            "{text}: it was reaped before the end was told"
        );
        until(text, || !runs(&emptied)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_is_ended_when_nobody_waits_for_it_any_more() {
    let text = "sleep 60 & setsid sleep 60 & sleep 60";
    let waiting = tokio::spawn(script(text, "dropped").timeout(Duration::from_mins(1)).run());
    until("started", || alive("dropped") == 4).await;
    waiting.abort();
    until("ended", || alive("dropped") == 0).await;
}

#[test]
fn a_child_is_ended_with_the_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.spawn(script("sleep 60 & sleep 60", "shut down").timeout(Duration::from_mins(1)).run());
    runtime.block_on(until("started", || alive("shut down") == 3));
    drop(runtime);
    tokio::runtime::Runtime::new().unwrap().block_on(until("ended", || alive("shut down") == 0));
}

#[tokio::test]
async fn a_child_gets_nothing_but_what_it_is_given_and_is_no_zombie() {
    let output = Command::new("/usr/bin/env").unwrap().environment("ONLY", "this").run().await.unwrap();
    let environment = String::from_utf8(output.stdout).unwrap();
    let names: Vec<_> = environment.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert_eq!(names, ["BARTIZAN_COMMAND", "ONLY"], "{environment}");

    let place = tempfile::tempdir().unwrap();
    let _ours = fs::File::create(place.path().join("ours")).unwrap();
    let text = "cat; echo $PWD; echo $$; cut -d ' ' -f 5 /proc/$$/stat; ls -l /proc/$$/fd";
    let output = script(text, "given").directory("/usr").run().await.unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[0], "/usr", "its input was empty");
    assert_eq!(lines[1], lines[2], "it leads a group of its own");
    assert!(!output.contains(place.path().to_str().unwrap()), "no file of ours is open in it: {output}");
    assert!(!Path::new("/proc").join(lines[1]).exists(), "it was reaped");
}

/// Set where this program is run as the next test's child.
const CHILD: &str = "BARTIZAN_TEST_CHILD";

#[tokio::test]
async fn child_that_has_an_input() {
    if std::env::var_os(CHILD).is_some() {
        assert_eq!(Command::new("/bin/cat").unwrap().run().await.unwrap(), Output::default());
    }
}

#[test]
fn what_is_sent_to_this_process_is_not_its_childs_to_read() {
    let mut this = std::process::Command::new(std::env::current_exe().unwrap());
    this.args(["--exact", "child_that_has_an_input"]).env(CHILD, "1").stdin(std::process::Stdio::piped());
    let mut child = this.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"secret").unwrap();
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn each_way_to_fail_is_an_error_of_its_own() {
    let failed = |end: Result<Output, CommandError>| match end {
        Err(CommandError::Failed { status, output }) => (status.to_string(), output.stdout),
        other => panic!("{other:?}"),
    };
    let end = script("echo partly; exit 3", "status").run().await;
    assert_eq!(failed(end), ("exit status: 3".to_owned(), b"partly\n".to_vec()));
    let end = script("kill -9 $$", "signal").run().await;
    assert_eq!(failed(end), ("signal: 9 (SIGKILL)".to_owned(), Vec::new()));
    let end = Command::new("/no/such/program").unwrap().run().await;
    assert!(
        matches!(end, Err(CommandError::NotFound { program }) if program == Path::new("/no/such/program"))
    );
    let end = Command::new("/etc/hostname").unwrap().run().await;
    assert!(matches!(end, Err(CommandError::NotStarted { .. })), "{end:?}");
    let end = script("true", "a\0b").run().await;
    assert!(matches!(end, Err(CommandError::NotStarted { .. })), "{end:?}");
}

#[tokio::test]
async fn an_output_of_just_the_limit_is_none_too_many() {
    for (limit, is_enough) in [(20, true), (19, false)] {
        let text = "printf 0123456789; printf 0123456789 >&2";
        let end = script(text, "limit").output_limit(limit).timeout(Duration::from_secs(20)).run().await;
        assert_eq!(end.is_ok(), is_enough, "{limit}: {end:?}");
    }
}

#[tokio::test]
async fn an_operand_is_one_argument_and_no_option() {
    let hostile = ["; touch /tmp/x", "$(id)", "`id`", "a' b\" c", "* ?", "&& id", "a|b", "%s%n"];
    let print = Command::new("/usr/bin/printf").unwrap();
    let operands = std::iter::once("<%s>").chain(hostile);
    let print = operands.fold(print, |print, text| print.operand(Operand::text(text).unwrap()));
    let output = print.run().await.unwrap();
    let expected = hostile.iter().fold(String::new(), |all, text| format!("{all}<{text}>"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

/// Why a handler like `GET /ping?host=…` did not start its program, or what that was given.
async fn ping(host: &str, program: &Path, record: &Path) -> Result<String, String> {
    let host = Hostname::parse(host).map_err(|error| error.to_string())?;
    let resolver = |name: &str| match name {
        "public.example" => Ok(vec![[1, 1, 1, 1].into()]),
        "inside.example" => Ok(vec![[169, 254, 169, 254].into()]),
        _ => Ok(Vec::new()),
    };
    let pinned =
        host.resolve(&resolver, &PrivateAddresses::refuse()).await.map_err(|error| error.to_string())?;
    let command = Command::new(program).unwrap().argument("-c").argument("1").operand(&pinned);
    let output = command.environment("RECORD", record).run().await.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(output.stdout).unwrap())
}

/// The program writes down that it was started.
#[tokio::test]
async fn a_host_that_is_none_starts_no_process() {
    let place = tempfile::tempdir().unwrap();
    let (program, record) = (place.path().join("ping"), place.path().join("record"));
    fs::write(&program, "#!/bin/sh\necho started >> \"$RECORD\"\necho \"$@\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let started = || fs::read_to_string(&record).unwrap_or_default().lines().count();

    let long = "a".repeat(10_000);
    let long_dotted = "a.".repeat(5_000);
    for host in [
        "",
        "-f",
        "-c",
        "--",
        "--help",
        "-I lo",
        " localhost",
        "public.example ",
        "a b",
        "a\tb",
        "public.example;id",
        ";id",
        "public.example|id",
        "|id",
        "public.example&id",
        "&& id",
        "$(id)",
        "`id`",
        "${IFS}",
        "$HOME",
        "public.example\n",
        "public.example\nid",
        "\npublic.example",
        "public.example\r\n",
        "public.example\0",
        "\0public.example",
        "public.example%0a",
        "public.example#",
        "public.example>out",
        "<in",
        "'a'",
        "\"a\"",
        "a\\b",
        "*",
        "?",
        "[a]",
        "{a,b}",
        "~",
        "!x",
        "a/b",
        "../a",
        "http://public.example/",
        "user@public.example",
        "public.example:80",
        "[::1]",
        "::1%lo",
        "127.1",
        "0x7f.1",
        "2130706433",
        "017700000001",
        "public_example",
        "bücher.example",
        "public.example.",
        ".public.example",
        "public..example",
        "public.-example",
        "pu\u{202e}blic",
        "127.0.0.1",
        "::1",
        "10.0.0.1",
        "169.254.169.254",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "0.0.0.0",
        "::",
        "inside.example",
        "nobody.example",
        long.as_str(),
        long_dotted.as_str(),
    ] {
        let refused = ping(host, &program, &record).await;
        assert!(refused.is_err(), "{host:?}: {refused:?}");
        assert_eq!(started(), 0, "{host:?}");
    }
    for host in ["public.example", "PUBLIC.example", "1.1.1.1", "::ffff:1.1.1.1"] {
        assert_eq!(ping(host, &program, &record).await, Ok("-c 1 -- 1.1.1.1\n".to_owned()), "{host}");
    }
    assert_eq!(started(), 4);
}

#[tokio::test]
async fn localhost_is_resolved_by_the_system_and_allowed_by_name_only() {
    let localhost = Hostname::parse("localhost").unwrap();
    let refused = localhost.resolve(&SystemResolver::new(), &PrivateAddresses::refuse()).await;
    assert!(matches!(refused, Err(ResolveError::NotPublic { .. })), "{refused:?}");
    let networks = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap());
    let allowed = PrivateAddresses::dangerously_allow(networks);
    let pinned = localhost.resolve(&SystemResolver::new(), &allowed).await.unwrap();
    assert!(pinned.addresses().all(|address| address.is_loopback()), "{pinned:?}");
}
