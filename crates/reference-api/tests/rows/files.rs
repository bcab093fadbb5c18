//! B7: files stay in their folder, and none becomes a page of this site.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use bartizan_peers::HttpResponse;
use http::Method;
use http_body_util::Full;
use serde_json::json;

use crate::{client::Client, durable::Process, place::Place};

crate::rows![
    a_file_is_kept_listed_given_out_and_removed,
    no_name_leads_out_of_the_folder,
    a_file_that_is_too_large_leaves_the_one_before
];

pub(crate) async fn upload(client: &Client, path: &str, contents: impl Into<bytes::Bytes>) -> HttpResponse {
    client.send(client.request(Method::PUT, path).body(Full::from(contents.into()))).await
}

async fn a_file_is_kept_listed_given_out_and_removed(place: &Place) {
    let instance = place.start().await;
    assert_eq!(upload(&instance.client(), "/files/a.txt", "x").await.denial(), "auth.required");
    let (alice, bob) = (instance.signed_in("alice").await, instance.signed_in("bob").await);

    let response = upload(&alice, "/files/photo.png", "not really").await;
    assert_eq!((response.status, response.json()), (201, json!({ "name": "photo.png", "size": 10 })));
    let request = alice.request(Method::POST, "/files?name=%C3%9Cbung%201.html");
    assert_eq!(alice.send(request.body(Full::from("<script>steal()</script>"))).await.status, 201);
    let expected = json!({
        "files": [{ "name": "photo.png", "size": 10 }, { "name": "Übung 1.html", "size": 24 }], "more": false,
    });
    assert_eq!(alice.get("/files").await.json(), expected);

    let photo = alice.get("/files/photo.png").await;
    assert_eq!((photo.status, photo.text().as_str()), (200, "not really"));
    assert_eq!(photo.header("content-type"), "image/png");
    assert_eq!(photo.header("content-disposition"), "inline; filename=\"photo.png\"");
    assert_eq!(photo.header("x-content-type-options"), "nosniff");
    // No cache keeps it for others, or gives it out as something else.
    assert_eq!(photo.header("cache-control"), "private, no-store");
    assert!(photo.headers_named("vary").contains(&"Sec-Fetch-Dest"));
    let head = alice.send(alice.request(Method::HEAD, "/files/photo.png")).await;
    assert_eq!((head.status, head.header("content-length"), head.text().as_str()), (200, "10", ""));
    let page = alice.get("/files/%C3%9Cbung%201.html").await;
    assert_eq!(page.header("content-type"), "application/octet-stream");
    assert!(page.header("content-disposition").starts_with("attachment; "));
    assert!(page.header("content-security-policy").ends_with("sandbox"));
    for (destination, status) in [
        ("script", 403),
        ("style", 403),
        ("worker", 403),
        ("object", 403),
        ("embed", 403),
        ("image", 200),
        ("document", 200),
    ] {
        let request = alice.request(Method::GET, "/files/photo.png").header("sec-fetch-dest", destination);
        assert_eq!(alice.send(request).await.status, status, "{destination}");
    }

    // Everybody has a folder of their own.
    assert_eq!(bob.get("/files").await.json()["files"], json!([]));
    assert_eq!(bob.get("/files/photo.png").await.denial(), "not-found");
    assert_eq!(bob.delete("/files/photo.png").await.denial(), "not-found");

    assert_eq!(upload(&alice, "/files/photo.png", "another").await.status, 200);
    let part = alice.request(Method::PUT, "/files/photo.png").header("content-range", "bytes 5-6/7");
    assert_eq!(alice.send(part.body(Full::from("er"))).await.denial(), "request.malformed");
    assert_eq!(alice.get("/files/photo.png").await.text(), "another");
    assert_eq!(alice.delete("/files/photo.png").await.status, 204);
    assert_eq!(alice.get("/files/photo.png").await.denial(), "not-found");
}

async fn no_name_leads_out_of_the_folder(place: &Place) {
    let instance = place.start().await;
    let alice = instance.signed_in("alice").await;
    upload(&alice, "/files/a.txt", "mine").await;
    let outside = instance.folder.path().join("data/files/outside.txt");
    fs::write(&outside, "secret").unwrap();
    for (path, status) in [
        ("/files/../outside.txt", 400),
        ("/files/..%2foutside.txt", 400),
        ("/files/%2e%2e%2foutside.txt", 400),
        ("/files/..%5coutside.txt", 400),
        ("/files/a.txt%00.png", 400),
        ("/files/.hidden", 400),
        ("/files/a:b", 400),
        ("/files//a.txt", 400),
    ] {
        for response in [alice.get(path).await, upload(&alice, path, "x").await, alice.delete(path).await] {
            assert_eq!(response.status, status, "{path}: {}", response.text());
            assert!(!response.text().contains("secret"));
        }
    }
    let request = alice.request(Method::POST, "/files?name=..%2Foutside.txt");
    assert_eq!(alice.send(request.body(Full::from("x"))).await.denial(), "file.name");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&outside, instance.folder.path().join("data/files/1/link.txt")).unwrap();
        assert_eq!(alice.get("/files/link.txt").await.denial(), "not-found");
        // What takes its place is a file of its own.
        assert_eq!(upload(&alice, "/files/link.txt", "mine").await.status, 200);
    }
    assert_eq!(fs::read_to_string(&outside).unwrap(), "secret");
}

async fn a_file_that_is_too_large_leaves_the_one_before(place: &Place) {
    let instance = place.start().await;
    let alice = instance.signed_in("alice").await;
    upload(&alice, "/files/a.bin", "before").await;
    let most = vec![7; 10 * 1024 * 1024];
    let mut more = most.clone();
    more.push(7);
    assert_eq!(upload(&alice, "/files/a.bin", more).await.denial(), "body.too-large");
    assert_eq!(alice.get("/files/a.bin").await.text(), "before");
    assert_eq!(upload(&alice, "/files/a.bin", most).await.status, 200);
    assert_eq!(alice.get("/files/a.bin").await.body.len(), 10 * 1024 * 1024);
    let left = fs::read_dir(instance.folder.path().join("data/files/1")).unwrap().count();
    assert_eq!(left, 1);
}

/// Of those that send or take a file slowly, each has a piece of it in memory, and none the whole of it.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_do_not_fill_the_memory() {
    const LONG: usize = 10 * 1024 * 1024;
    const CLIENTS: usize = 16;
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path());
    let alice = process.signed_in("alice", &process.passwords["alice"]).await;
    assert_eq!(upload(&alice, "/files/long.bin", vec![7; LONG]).await.status, 201);
    assert_eq!(alice.get("/files/long.bin").await.body.len(), LONG);
    let status = format!("/proc/{}/status", process.child.id());
    let memory = || {
        let status = fs::read_to_string(&status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    };
    let before = memory();

    let port: u16 = process.origin.rsplit_once(':').unwrap().1.parse().unwrap();
    let head = format!(
        "Host: 127.0.0.1:{port}\r\nOrigin: {}\r\nCookie: __Host-session={}\r\n",
        process.origin,
        alice.cookie("__Host-session").unwrap()
    );
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut reader = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(reader, "GET /files/long.bin HTTP/1.1\r\n{head}\r\n").unwrap();
        reader.read_exact(&mut [0; 1_000]).unwrap();
        clients.push(reader);
    }
    for number in 0..CLIENTS {
        let mut writer = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(writer, "PUT /files/{number}.bin HTTP/1.1\r\n{head}Content-Length: {LONG}\r\n\r\n").unwrap();
        writer.write_all(&vec![7; LONG - 1]).unwrap();
        clients.push(writer);
    }
    // What they have sent stands in files that are not there yet.
    bartizan_peers::until("all that was sent to be kept", Duration::from_secs(30), || {
        let files = fs::read_dir(folder.path().join("files/1")).unwrap();
        let sizes = files.map(|file| file.unwrap().metadata().map_or(0, |metadata| metadata.len()));
        (sizes.sum::<u64>() >= ((CLIENTS + 1) * (LONG - 1)) as u64).then_some(())
    });
    let more = memory().saturating_sub(before);
    assert!(more < CLIENTS * LONG / 3, "{} MiB", more / 1024 / 1024);
    assert_eq!(alice.get("/files").await.json()["files"].as_array().unwrap().len(), 1);
}
