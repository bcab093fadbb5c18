//! Bodies: how long they may be, and that nothing else happens to them.

use axum::{Router, body::Bytes, extract::DefaultBodyLimit, routing::post};

use crate::server::{Mount, Server, layer, request};

const LIMITED: &str = "[default]\nmax_body = '16B'";

fn router() -> Router {
    Router::new()
        .route("/echo", post(async |body: Bytes| body))
        .route("/ignore", post(async || "not read"))
        .layer(DefaultBodyLimit::disable())
}

#[tokio::test]
async fn a_body_that_says_it_is_too_long_never_reaches_the_handler() {
    for mount in Mount::ALL {
        let server = Server::mount(mount, LIMITED, layer(LIMITED), router()).await;
        for path in ["/echo", "/ignore"] {
            let response = server.request(&format!("POST {path}\nContent-Length: 17")).await;
            assert_eq!(
                (response.status, response.code().as_deref()),
                (413, Some("body.too-large")),
                "{mount:?}"
            );
            assert!(response.is_hardened(), "{mount:?} {response:?}");
        }
        let fits = server.send(request("POST /echo\nContent-Length: 16", "0123456789abcdef")).await;
        assert_eq!((fits.status, &*fits.body), (200, "0123456789abcdef"), "{mount:?}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_say_is_counted() {
    for mount in Mount::ALL {
        let server = Server::mount(mount, LIMITED, layer(LIMITED), router()).await;
        let chunked = "POST /echo\nTransfer-Encoding: chunked";
        let fits = server.send(request(chunked, "8\r\n01234567\r\n8\r\n89abcdef\r\n0\r\n\r\n")).await;
        assert_eq!((fits.status, &*fits.body), (200, "0123456789abcdef"), "{mount:?}");
        let too_long = request(chunked, "8\r\n01234567\r\n9\r\n89abcdefg\r\n0\r\n\r\n");
        let response = server.send(too_long).await;
        assert_eq!((response.status, response.code().as_deref()), (413, Some("body.too-large")), "{mount:?}");
        assert!(response.is_hardened(), "{mount:?} {response:?}");
        // Nobody read it, so nobody was harmed.
        let unread = server.send(request("POST /ignore\nTransfer-Encoding: chunked", "0\r\n\r\n")).await;
        assert_eq!(unread.status, 200, "{mount:?}");
    }
}

#[tokio::test]
async fn a_long_body_passes_byte_for_byte() {
    let policy = "[[route]]\nmatch = 'POST /echo'\nmax_body = '10MiB'";
    for mount in Mount::ALL {
        let server = Server::mount(mount, policy, layer(policy), router()).await;
        let body = "x1y2".repeat(1 << 20);
        let head = format!("POST /echo\nContent-Length: {}", body.len());
        let response = server.send(request(&head, &body)).await;
        assert_eq!(response.status, 200, "{mount:?}");
        assert!(response.body == body, "{mount:?}");
    }
}
