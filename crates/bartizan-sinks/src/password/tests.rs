//! Passwords are verified, bounded, and cost the same for an unknown account.

use super::*;
use std::time::{Duration, Instant};

fn cheap() -> Passwords {
    Passwords::new(2).cost(Cost::dangerously_cheap())
}

#[tokio::test]
async fn the_right_password_is_verified_and_no_other() {
    let passwords = cheap();
    let stored = passwords.hash(&"correct horse".into()).await.unwrap();
    let read = PasswordHash::parse(stored.as_str()).unwrap();
    let long = "x".repeat(1_025);
    for (password, is_right) in [
        ("correct horse", true),
        ("Correct horse", false),
        ("correct hors", false),
        ("correct horse ", false),
        ("", false),
        (long.as_str(), false),
    ] {
        assert_eq!(passwords.verify(&password.into(), Some(&stored)).await, Ok(is_right), "{password}");
        assert_eq!(
            passwords.verify(&password.into(), Some(&read)).await,
            Ok(is_right),
            "{password}, read again"
        );
        assert_eq!(passwords.verify(&password.into(), None).await, Ok(false), "{password}, unknown");
    }
    let again = passwords.hash(&"correct horse".into()).await.unwrap();
    assert_ne!(again.as_str(), stored.as_str(), "each has a salt of its own");
}

#[tokio::test]
async fn a_new_password_has_8_characters_and_not_more_than_1024_bytes() {
    for (character, count, error) in [
        ("x", 0, Some(PasswordError::TooShort)),
        ("x", 7, Some(PasswordError::TooShort)),
        ("x", 8, None),
        ("x", 1_024, None),
        ("x", 1_025, Some(PasswordError::TooLong)),
        ("👍", 2, Some(PasswordError::TooShort)),
        ("日", 7, Some(PasswordError::TooShort)),
        ("日", 8, None),
        ("👍", 256, None),
        ("👍", 257, Some(PasswordError::TooLong)),
    ] {
        let password = character.repeat(count);
        assert_eq!(cheap().hash(&password.into()).await.err(), error, "{count} of {character}");
    }
}

/// The vector of argon2id in the reference implementation's tests: another program's hash.
#[tokio::test]
async fn a_hash_of_another_program_is_verified() {
    let theirs = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let theirs = PasswordHash::parse(theirs).unwrap();
    assert_eq!(cheap().verify(&"password".into(), Some(&theirs)).await, Ok(true));
    assert_eq!(cheap().verify(&"passwore".into(), Some(&theirs)).await, Ok(false));
    assert!(Passwords::new(1).needs_rehash(&theirs));
}

#[test]
fn what_is_no_argon2id_is_refused() {
    use PasswordHashError::{Cost, NotArgon2id, NotPhc};
    let hash = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    for (start, error) in [
        ("", NotPhc),
        ("hunter2", NotPhc),
        ("$argon2id$v=19$m=65536,t=2,p=1", NotPhc),
        ("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ", NotPhc),
        ("$argon2id$v=19$m=65536,t=2,p=1$c29tZQ$H", NotPhc),
        ("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaM", NotPhc),
        ("$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$H", NotArgon2id),
        ("$argon2d$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$H", NotArgon2id),
        ("$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$H", NotArgon2id),
        ("$argon2id$m=65536,t=2,p=1$c29tZXNhbHQ$H", NotArgon2id),
        ("$argon2id$v=19$m=1048577,t=2,p=1$c29tZXNhbHQ$H", Cost),
        ("$argon2id$v=19$m=65536,t=33,p=1$c29tZXNhbHQ$H", Cost),
        ("$argon2id$v=19$m=65536,t=2,p=17$c29tZXNhbHQ$H", Cost),
        ("$argon2id$v=19$m=65536,t=2,p=0$c29tZXNhbHQ$H", Cost),
        ("$argon2id$v=19$m=65536,t=2,p=1,x=1$c29tZXNhbHQ$H", Cost),
    ] {
        let text = start.strip_suffix('H').map_or(start.to_owned(), |start| format!("{start}{hash}"));
        assert_eq!(PasswordHash::parse(&text).err(), Some(error), "{text}");
    }
    // Of a number that is there twice, the one that is computed by is the one that is bounded.
    let twice =
        |numbers: &str| PasswordHash::parse(&format!("$argon2id$v=19${numbers},t=1,p=1$c29tZXNhbHQ${hash}"));
    assert_eq!(twice("m=8,m=4194304").err(), Some(Cost));
    assert_eq!(twice("m=4194304,m=8").map(|hash| hash.cost()).ok(), Some(super::Cost::dangerously_cheap()));
}

/// One that has begun to be computed, and is until it is told to end.
async fn occupy(
    passwords: &Passwords,
) -> (std::sync::mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), PasswordError>>) {
    let (begin, started) = tokio::sync::oneshot::channel();
    let (end, ended) = std::sync::mpsc::channel();
    let passwords = passwords.clone();
    let task = tokio::spawn(async move {
        passwords
            .in_turn(move || {
                let _ = begin.send(());
                let _ = ended.recv_timeout(Duration::from_secs(20));
                Ok(())
            })
            .await
    });
    started.await.unwrap();
    (end, task)
}

/// Lets the other tasks run until this holds.
async fn until(holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn so_many_are_computed_so_many_wait_and_the_rest_is_told() {
    let passwords = cheap().waiting(1);
    let (end_first, first) = occupy(&passwords).await;
    let (_end_second, second) = occupy(&passwords).await;
    assert_eq!(passwords.turns.available_permits(), 0);
    let waiting = tokio::spawn({
        let passwords = passwords.clone();
        async move { passwords.hash(&"correct horse".into()).await }
    });
    until(|| passwords.places.available_permits() == 0).await;
    assert_eq!(passwords.hash(&"correct horse".into()).await.unwrap_err(), PasswordError::Busy);
    assert_eq!(passwords.verify(&"correct horse".into(), None).await, Err(PasswordError::Busy));
    let nobodys = passwords.verify(&"x".repeat(1_025).into(), None).await;
    assert_eq!(nobodys, Ok(false), "it is not even computed");
    assert!(!waiting.is_finished());

    end_first.send(()).unwrap();
    assert_eq!(first.await.unwrap(), Ok(()));
    assert!(waiting.await.unwrap().is_ok(), "its turn came");
    assert!(!second.is_finished());
    assert!(passwords.hash(&"correct horse".into()).await.is_ok(), "there is room again");
}

#[tokio::test]
async fn who_waits_no_longer_makes_room_and_who_is_computed_does_not() {
    let passwords = Passwords::new(1).cost(Cost::dangerously_cheap()).waiting(1);
    let (end, computed) = occupy(&passwords).await;
    assert_eq!(passwords.turns.available_permits(), 0);
    let waiting = tokio::spawn({
        let passwords = passwords.clone();
        async move { passwords.hash(&"correct horse".into()).await }
    });
    until(|| passwords.places.available_permits() == 0).await;
    waiting.abort();
    until(|| passwords.places.available_permits() == 1).await;

    // Its client is gone; the thread is not, and still counts.
    computed.abort();
    assert!(computed.await.unwrap_err().is_cancelled());
    assert_eq!(passwords.turns.available_permits(), 0);
    end.send(()).unwrap();
    until(|| passwords.turns.available_permits() == 1 && passwords.places.available_permits() == 2).await;
}

async fn time(passwords: &Passwords, stored: Option<&PasswordHash>) -> Duration {
    let start = Instant::now();
    assert_eq!(passwords.verify(&"wrong horse".into(), stored).await, Ok(false));
    start.elapsed()
}

/// What else the machine does only adds to a time: the least of both come together as they are repeated, however busy
/// it is, if they cost the same.
#[tokio::test]
async fn an_unknown_account_costs_what_a_known_one_does() {
    let passwords = Passwords::new(1);
    let stored = passwords.hash(&"correct horse".into()).await.unwrap();
    assert!(!passwords.needs_rehash(&stored));
    let (mut known, mut unknown) = (Duration::MAX, Duration::MAX);
    for _ in 0..40 {
        known = known.min(time(&passwords, Some(&stored)).await);
        unknown = unknown.min(time(&passwords, None).await);
        if unknown.max(known) < unknown.min(known).mul_f64(1.3) {
            return;
        }
    }
    panic!("a known account takes {known:?}, an unknown one {unknown:?}");
}
