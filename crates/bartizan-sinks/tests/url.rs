//! A client that goes where the guard says, and nowhere else, with no more than a socket.
#![cfg(feature = "url")]

use bartizan_sinks::url::{Destination, Outgoing, PrivateAddresses, ResolveError, SystemResolver, UrlError};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Sends one request to the addresses that were pinned, and returns the answer.
async fn get(destination: &Destination) -> io::Result<String> {
    let addresses: Vec<_> = destination.socket_addresses().collect();
    let mut stream = TcpStream::connect(&*addresses).await?;
    let (host, port, target) = (destination.host(), destination.port(), destination.path_and_query());
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(10_000).read_to_string(&mut answer).await?;
    Ok(answer)
}

/// What a client does with redirects: each is asked for, or none.
async fn fetch(guard: &Outgoing, url: &str) -> Result<String, UrlError> {
    let resolver = SystemResolver::new();
    let mut at = guard.check(url, &resolver).await?;
    loop {
        let answer = get(&at).await.unwrap();
        let location = answer.lines().find_map(|line| line.strip_prefix("Location: "));
        let Some(location) = location else { return Ok(answer) };
        at = guard.follow(&at, location, &resolver).await?;
    }
}

/// Answers `/to?…` with a redirect to what follows, and all else with the request's first two lines.
async fn serve(listener: TcpListener, connections: Arc<AtomicUsize>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        connections.fetch_add(1, Ordering::SeqCst);
        let mut request = [0; 4_096];
        let length = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        let target = request.split(' ').nth(1).unwrap_or_default();
        let answer = match target.strip_prefix("/to?") {
            Some(location) => format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n"),
            None => {
                format!("HTTP/1.1 200 OK\r\n\r\n{}", request.lines().take(2).collect::<Vec<_>>().join("|"))
            }
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_goes_where_the_guard_says_and_nowhere_else() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let server = tokio::spawn(serve(listener, Arc::clone(&connections)));
    let http = Outgoing::https().dangerously_allow_http().ports([port]).redirects(3);
    let networks = ["127.0.0.1/32", "::1/128"].map(|network| network.parse().unwrap());
    let guard = http.clone().private(PrivateAddresses::dangerously_allow(networks));

    for (target, expected) in [
        ("a?b=c", format!("GET /a?b=c HTTP/1.1|Host: localhost:{port}")),
        ("to?/next", format!("GET /next HTTP/1.1|Host: localhost:{port}")),
        (&format!("to?http://127.0.0.1:{port}/next"), format!("GET /next HTTP/1.1|Host: 127.0.0.1:{port}")),
    ] {
        let answer = fetch(&guard, &format!("http://localhost:{port}/{target}")).await.unwrap();
        assert!(answer.ends_with(&expected), "{target}: {answer}");
    }

    for target in
        ["http://127.0.0.2:{port}/", "http://[::ffff:127.0.0.3]:{port}/", "//169.254.169.254:{port}/"]
    {
        let target = target.replace("{port}", &port.to_string());
        let refused = fetch(&guard, &format!("http://localhost:{port}/to?{target}")).await;
        assert!(
            matches!(refused, Err(UrlError::Resolve(ResolveError::NotPublic { .. }))),
            "{target}: {refused:?}"
        );
    }
    let before = connections.load(Ordering::SeqCst);
    let endless = fetch(&guard, &format!("http://localhost:{port}/to?/to?/to?/to?/to?/to?")).await;
    assert!(matches!(endless, Err(UrlError::TooManyRedirects { limit: 3 })), "{endless:?}");
    assert_eq!(connections.load(Ordering::SeqCst), before + 4);

    let refused = fetch(&http, &format!("http://localhost:{port}/")).await;
    assert!(matches!(refused, Err(UrlError::Resolve(ResolveError::NotPublic { .. }))), "{refused:?}");
    assert_eq!(connections.load(Ordering::SeqCst), before + 4, "nothing was connected to");
    server.abort();
}
