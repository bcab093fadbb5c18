//! What goes out is what was meant, and where it goes is public.

use super::*;
use std::{io, net::IpAddr};

/// Some names, public and not.
fn table(name: &str) -> io::Result<Vec<IpAddr>> {
    let addresses: &[&str] = match name {
        "one.example" | "two.example" | "xn--bcher-kva.example" => &["1.1.1.1", "2606:4700::1"],
        "inside.example" => &["10.0.0.1"],
        "metadata.example" => &["169.254.169.254"],
        "mixed.example" => &["1.1.1.1", "127.0.0.1"],
        "mapped.example" => &["::ffff:127.0.0.1"],
        "localhost" => &["127.0.0.1", "::1"],
        "nowhere.example" => &[],
        _ => return Err(io::ErrorKind::NotFound.into()),
    };
    Ok(addresses.iter().map(|address| address.parse().unwrap()).collect())
}

/// A word for the outcome.
fn outcome(result: Result<Destination, UrlError>) -> String {
    match result {
        Ok(destination) => destination.as_str().to_owned(),
        Err(UrlError::TooLong(_)) => "too long".to_owned(),
        Err(UrlError::Character(_)) => "character".to_owned(),
        Err(UrlError::Invalid(_)) => "invalid".to_owned(),
        Err(UrlError::Scheme { .. }) => "scheme".to_owned(),
        Err(UrlError::UserInfo) => "user".to_owned(),
        Err(UrlError::Port { .. }) => "port".to_owned(),
        Err(UrlError::Host(_)) => "host".to_owned(),
        Err(UrlError::HostNotAllowed { .. }) => "not allowed".to_owned(),
        Err(UrlError::Resolve(ResolveError::NotPublic { .. })) => "private".to_owned(),
        Err(UrlError::Resolve(ResolveError::Unknown { .. })) => "unknown".to_owned(),
        Err(other) => other.to_string(),
    }
}

#[tokio::test]
async fn a_url_is_https_to_a_public_host_and_reads_in_one_way() {
    let long = format!("https://one.example/{}", "a".repeat(LONGEST));
    for (url, expected) in [
        ("https://one.example", "https://one.example/"),
        ("HTTPS://ONE.example:443/a/../b?c=d#e", "https://one.example/b?c=d"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://1.1.1.1/", "https://1.1.1.1/"),
        ("https://[2606:4700::1]/", "https://[2606:4700::1]/"),
        ("http://one.example/", "scheme"),
        ("ftp://one.example/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://one.example/", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("data:text/html,x", "scheme"),
        ("wss://one.example/", "scheme"),
        ("https://user@one.example/", "user"),
        ("https://one.example%40inside.example/", "invalid"),
        ("https://one.example%2f.inside.example/", "invalid"),
        ("https://inside.example%00.one.example/", "invalid"),
        ("https://in\u{ad}side.example/", "private"),
        ("https://ｉｎside.example/", "private"),
        ("https://user:password@one.example/", "user"),
        ("https://:password@one.example/", "user"),
        ("https://one.example@127.0.0.1/", "user"),
        ("https://one.example:22/", "port"),
        ("https://one.example:80/", "port"),
        ("https://one.example:0/", "port"),
        ("https://one.example:65536/", "invalid"),
        ("https://127.0.0.1/", "private"),
        ("https://127.1/", "private"),
        ("https://2130706433/", "private"),
        ("https://0x7f000001/", "private"),
        ("https://0177.0.0.1/", "private"),
        ("https://%31%32%37.0.0.1/", "private"),
        ("https://①②⑦.⓪.⓪.①/", "private"),
        ("https://127。0。0。1/", "private"),
        ("https://0/", "private"),
        ("https://[::1]/", "private"),
        ("https://[::]/", "private"),
        ("https://[::ffff:127.0.0.1]/", "private"),
        ("https://[::ffff:7f00:1]/", "private"),
        ("https://[64:ff9b::7f00:1]/", "private"),
        ("https://[2002:7f00:1::]/", "private"),
        ("https://[fe80::1%25eth0]/", "invalid"),
        ("https://127.0.0.1./", "private"),
        ("https://@127.0.0.1/", "private"),
        ("https://0x7f.1/", "private"),
        ("https://017700000001/", "private"),
        ("https://[::ffff:169.254.169.254]/", "private"),
        ("https://[64:ff9b::168.63.129.16]/", "private"),
        ("https://168.63.129.16/", "private"),
        ("https://169.254.169.254/latest/meta-data/", "private"),
        ("https://10.0.0.1/", "private"),
        ("https://localhost/", "private"),
        ("https://LOCALHOST/", "private"),
        ("https://inside.example/", "private"),
        ("https://metadata.example/", "private"),
        ("https://mixed.example/", "private"),
        ("https://mapped.example/", "private"),
        ("https://nobody.example/", "unknown"),
        ("https://nowhere.example/", "unknown"),
        ("https://one.example./", "host"),
        ("https://a_b.example/", "host"),
        ("https://-one.example/", "host"),
        ("https://", "invalid"),
        ("https:one.example", "https://one.example/"),
        ("//one.example/", "invalid"),
        ("/path", "invalid"),
        ("", "invalid"),
        ("https://one.example\\@127.0.0.1/", "character"),
        ("https:\\\\127.0.0.1/", "character"),
        (" https://one.example/", "character"),
        ("https://one.example/\r\nX: y", "character"),
        ("ht\ntps://one.example/", "character"),
        ("https://one.example/a b", "character"),
        ("https://one.example/\0", "character"),
        ("https://one.example/\u{a0}", "character"),
        (long.as_str(), "too long"),
    ] {
        assert_eq!(outcome(Outgoing::https().check(url, &table).await), expected, "{url:?}");
    }
}

#[tokio::test]
async fn what_is_allowed_is_allowed_by_name() {
    let loopback = || PrivateAddresses::dangerously_allow(["127.0.0.0/8".parse().unwrap()]);
    let https = Outgoing::https;
    for (guard, url, expected) in [
        (https().dangerously_allow_http(), "http://one.example/", "http://one.example/"),
        (https().dangerously_allow_http(), "http://one.example:443/", "http://one.example:443/"),
        (https().dangerously_allow_http(), "http://one.example:8080/", "port"),
        (https().dangerously_allow_http(), "http://127.0.0.1/", "private"),
        (https().ports([8443]), "https://one.example:8443/", "https://one.example:8443/"),
        (https().ports([8443]), "https://one.example/", "port"),
        (https().hosts(["one.example", "1.1.1.1"]), "https://one.example/", "https://one.example/"),
        (https().hosts(["ONE.example"]), "https://one.example/", "https://one.example/"),
        (https().hosts(["one.example", "1.1.1.1"]), "https://1.1.1.1/", "https://1.1.1.1/"),
        (https().hosts(["one.example"]), "https://two.example/", "not allowed"),
        (https().hosts(["one.example"]), "https://a.one.example/", "not allowed"),
        (https().hosts(["one.example"]), "https://one.example.evil.example/", "not allowed"),
        (https().hosts(["one.example"]), "https://evilone.example/", "not allowed"),
        (https().hosts(["inside.example"]), "https://inside.example/", "private"),
        (https().hosts([]), "https://one.example/", "not allowed"),
        (https().private(loopback()), "https://127.0.0.1/", "https://127.0.0.1/"),
        (https().private(loopback()), "https://mixed.example/", "https://mixed.example/"),
        (https().private(loopback()), "https://localhost/", "private"),
        (https().private(loopback()), "https://10.0.0.1/", "private"),
    ] {
        assert_eq!(outcome(guard.check(url, &table).await), expected, "{url}");
    }
}

#[tokio::test]
async fn each_redirect_is_judged_again_and_there_are_few() {
    let guard = Outgoing::https().dangerously_allow_http().redirects(2);
    for (from, location, expected) in [
        ("https://one.example/a/b?c", "d", "https://one.example/a/d"),
        ("https://one.example/a", "//two.example/x", "https://two.example/x"),
        ("https://one.example/a", "", "https://one.example/a"),
        ("http://one.example/", "https://one.example/", "https://one.example/"),
        ("http://one.example/", "http://two.example/", "http://two.example/"),
        ("https://one.example/", "http://one.example/", &UrlError::Downgrade.to_string()),
        ("https://one.example/", "https://169.254.169.254/", "private"),
        ("https://one.example/", "//127.1/", "private"),
        ("https://one.example/", "https://inside.example/", "private"),
        ("https://one.example/", "file:///etc/passwd", "scheme"),
        ("https://one.example/", "//user@two.example/", "user"),
        ("https://one.example/", "//two.example:22/", "port"),
        ("https://one.example/", "/\\127.0.0.1/", "character"),
        ("https://one.example/", "\t//127.0.0.1/", "character"),
    ] {
        let first = guard.check(from, &table).await.unwrap();
        assert_eq!(outcome(guard.follow(&first, location, &table).await), expected, "{from} to {location:?}");
    }

    let mut at = guard.check("https://one.example/", &table).await.unwrap();
    for _ in 0..2 {
        at = guard.follow(&at, "/again", &table).await.unwrap();
    }
    let refused = guard.follow(&at, "/again", &table).await;
    assert!(matches!(refused, Err(UrlError::TooManyRedirects { limit: 2 })), "{refused:?}");
}
