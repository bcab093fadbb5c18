//! What a person reads who got it wrong, and how soon.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use bartizan_core::policy::StoreUrl;
use bartizan_peers::{Postgres, free_port};
use bartizan_store::{PostgresOptions, PostgresStore, Store as _, StoreError, StoreOptions, open};

use super::{database, execute, look_up, options};

/// Why no store can be had, and that it takes at most so long to say.
async fn refusal(url: &str, within: Duration) -> StoreError {
    let options = PostgresOptions::new(url).unwrap().timeout(Duration::from_secs(3));
    let started = Instant::now();
    let error = PostgresStore::connect(options).await.expect_err(url);
    assert!(started.elapsed() < within, "{url}: {:?}", started.elapsed());
    for shown in [error.to_string(), format!("{error:?}")] {
        assert!(!shown.contains("hunter2") && !shown.contains("of-the-tests"), "{shown}");
    }
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_says_why() {
    let Some(url) = database().await else { return };
    let server = url.rsplit_once('/').unwrap().0;
    let (_, address) = server.split_once('@').unwrap();
    for (url, message) in [
        (
            format!("postgres://bartizan:hunter2@{address}/postgres"),
            "password authentication failed for user \"bartizan\" (SQLSTATE 28P01)",
        ),
        (
            format!("postgres://somebody@{address}/postgres"),
            "password authentication failed for user \"somebody\" (SQLSTATE 28P01)",
        ),
        (format!("{server}/nowhere"), "database \"nowhere\" does not exist (SQLSTATE 3D000)"),
        (
            format!("{server}/postgres?sslmode=require"),
            "error occurred while attempting to establish a TLS connection: server does not support TLS",
        ),
    ] {
        let error = refusal(&url, Duration::from_secs(10)).await;
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        assert_eq!(error.to_string(), format!("postgres at {address} cannot be reached: {message}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_postgres_is_found_out_in_time() {
    let port = free_port();
    let error = refusal(&format!("postgres://u:hunter2@127.0.0.1:{port}/app"), Duration::from_secs(2)).await;
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    let expected = format!("postgres at 127.0.0.1:{port} cannot be reached: Connection refused");
    assert!(error.to_string().starts_with(&expected), "{error}");

    // A label has 63 octets at most (RFC 1035, section 2.3.4), so no server is asked for this one.
    let host = "a".repeat(64);
    let error = refusal(&format!("postgres://u:hunter2@{host}/app"), Duration::from_secs(2)).await;
    let expected = format!("postgres at {host}:5432 cannot be reached: failed to lookup address information");
    assert!(error.to_string().starts_with(&expected), "{error}");

    let port = answer_with(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let error = refusal(&format!("postgres://u:hunter2@127.0.0.1:{port}/app"), Duration::from_secs(6)).await;
    let expected = format!(
        "postgres at 127.0.0.1:{port} cannot be reached: encountered unexpected or invalid data: \
         unexpected response from SSLRequest: 0x48"
    );
    assert!(error.to_string().starts_with(&expected), "{error}");

    let port = answer_with(b"");
    let error = refusal(&format!("postgres://u:hunter2@127.0.0.1:{port}/app"), Duration::from_secs(6)).await;
    assert_eq!(error.to_string(), format!("postgres at 127.0.0.1:{port} did not answer within 3 s"));
}

/// Somebody who says this, whatever he hears, and then nothing.
fn answer_with(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 8]);
            let _ = stream.write_all(answer);
            held.push(stream);
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_needs_the_schema_or_the_right_to_make_it() {
    let Some(url) = database().await else { return };
    execute(&url, "CREATE ROLE modest LOGIN PASSWORD 'hunter2'".to_owned()).await;
    let (_, address) = url.split_once('@').unwrap();
    let modest = format!("postgres://modest:hunter2@{address}");
    let error = refusal(&modest, Duration::from_secs(10)).await;
    assert!(error.to_string().contains("permission denied for database"), "{error}");
    execute(&url, "CREATE SCHEMA bartizan AUTHORIZATION modest".to_owned()).await;
    let store = PostgresStore::connect(options(&modest)).await.unwrap();
    assert_eq!(store.prune(super::NOW).await.unwrap(), 0);
    // The next node finds what this one made.
    PostgresStore::connect(options(&modest)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_checked() {
    let Some(server) = Postgres::start_with_tls() else { return };
    let url = server.url("postgres").replace("127.0.0.1", "localhost");
    let trusted = format!("sslrootcert={}", server.certificate().display());
    for (url, message) in [
        (format!("{url}?sslmode=verify-full"), "invalid peer certificate: UnknownIssuer"),
        (
            format!("{}?sslmode=verify-full&{trusted}", server.url("postgres")),
            "invalid peer certificate: certificate not valid for name \"127.0.0.1\"",
        ),
    ] {
        let error = refusal(&url, Duration::from_secs(10)).await;
        assert!(error.to_string().contains(message), "{error}");
    }
    let store =
        PostgresStore::connect(options(&format!("{url}?sslmode=verify-full&{trusted}"))).await.unwrap();
    let encrypted = "SELECT bool_and(ssl)::text FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE application_name = 'bartizan'";
    assert_eq!(look_up(&server.url("postgres"), encrypted).await, "true");
    drop(store);

    // By a policy: the server is asked for it where nothing is said of TLS, this machine or not.
    let (user, place) = url.split_once("://").unwrap().1.split_once('@').unwrap();
    let (name, password) = user.split_once(':').unwrap();
    let opened = async |place: &str, pem: Option<Vec<u8>>| {
        let url = StoreUrl::parse(&format!("postgres://{name}@{place}")).unwrap();
        let options = StoreOptions::new(url).password(password.into());
        let options = match pem {
            Some(pem) => options.root_certificates(pem),
            None => options,
        };
        open(&options).await.map_err(|error| error.to_string())
    };
    let pem = std::fs::read(server.certificate()).unwrap();
    let store = opened(place, Some(pem.clone())).await.unwrap();
    assert_eq!(look_up(&server.url("postgres"), encrypted).await, "true");
    drop(store);
    for (place, pem, message) in [
        (format!("{place}?sslmode=verify-full"), None, "UnknownIssuer"),
        (place.replace("localhost", "127.0.0.1"), Some(pem), "certificate not valid for name \"127.0.0.1\""),
        (place.to_owned(), Some(b"no certificate".to_vec()), "`store.ca`"),
    ] {
        let error = opened(&place, pem).await.err().unwrap();
        assert!(error.contains(message), "{error}");
    }
}
