//! `bartizan init --fastapi`: what a FastAPI application publishes, and the policy that comes of it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener},
    thread,
};

use crate::run::bartizan;

const OPENAPI: &str = r#"{
    "openapi": "3.1.0",
    "info": { "title": "Shop", "version": "0.1.0" },
    "paths": {
        "/health": { "get": {} },
        "/items/{item_id}": { "get": {}, "put": {}, "delete": {} },
        "/upload/{folder}": { "post": { "requestBody": { "content": { "multipart/form-data": {} } } } }
    },
    "webhooks": { "paid": { "post": {} } },
    "components": { "securitySchemes": {
        "cookie": { "type": "apiKey", "in": "cookie", "name": "sid" },
        "token": { "type": "oauth2", "flows": {} }
    } }
}"#;

/// `/docs` as FastAPI writes it (fastapi/openapi/docs.py, `get_swagger_ui_html`).
const DOCS: &str = r#"
    <!DOCTYPE html>
    <html>
    <head>
    <meta name="viewport" content="width=device-width, initial-scale=1.0">
    <link type="text/css" rel="stylesheet" href="https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui.css">
    <link rel="shortcut icon" href="https://fastapi.tiangolo.com/img/favicon.png">
    <title>Shop - Swagger UI</title>
    </head>
    <body>
    <div id="swagger-ui">
    </div>
    <script src="https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui-bundle.js"></script>
    <!-- `SwaggerUIBundle` is now available on the page -->
    <script>
    const ui = SwaggerUIBundle({ url: '/openapi.json' })
    </script>
    </body>
    </html>
    "#;

/// `/redoc` as FastAPI writes it (`get_redoc_html`).
const REDOC: &str = r#"
    <!DOCTYPE html>
    <html>
    <head>
    <title>Shop - ReDoc</title>
    <link href="https://fonts.googleapis.com/css?family=Montserrat:300,400,700|Roboto:300,400,700" rel="stylesheet">
    <link rel="shortcut icon" href="https://fastapi.tiangolo.com/img/favicon.png">
    <style>
      body {
        margin: 0;
        padding: 0;
      }
    </style>
    </head>
    <body>
    <redoc spec-url="/openapi.json"></redoc>
    <script src="https://cdn.jsdelivr.net/npm/redoc@2/bundles/redoc.standalone.js"> </script>
    </body>
    </html>
    "#;

/// An application that publishes these documents, by path.
fn application(documents: &'static [(&'static str, &'static str)]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut request = String::new();
            reader.read_line(&mut request).unwrap();
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {}
            let path = request.split(' ').nth(1).unwrap();
            let found = documents.iter().find(|(published, _)| *published == path);
            let (status, body) = found.map_or(("404 Not Found", ""), |(_, body)| ("200 OK", body));
            let length = body.len();
            write!(
                reader.get_mut(),
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    address
}

fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"127\.0\.0\.1:\d{5}", "[address]");
    settings
}

#[test]
fn the_policy_has_what_the_application_needs_and_passes_the_check() {
    let address = application(&[
        ("/openapi.json", OPENAPI),
        ("/docs", DOCS),
        ("/docs/oauth2-redirect", "<script>run()</script>"),
        ("/redoc", REDOC),
    ]);
    let url = format!("http://{address}");
    let run = bartizan().args(["init", "--fastapi", &url]).output();
    assert_eq!(run.code, 0, "{}", run.stderr);
    settings().bind(|| {
        insta::assert_snapshot!("written", run.read("bartizan.toml"));
        insta::assert_snapshot!("said", run.stderr);
    });
    let check = run.then(&["check", "--strict", "--openapi", &format!("{url}/openapi.json")]);
    assert_eq!(check.code, 0, "{}", check.stderr);
    settings().bind(|| insta::assert_snapshot!("checked", check.stdout));

    // The page's directives reach the browser, the others stay the preset's.
    let explained = check.then(&["explain", "GET", "/docs", "-H", "Accept: text/html"]).stdout;
    assert!(
        explained.contains(
            "script-src https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui-bundle.js 'sha256-"
        )
    );
    assert!(explained.contains("object-src 'none'"));
}

#[test]
fn documentation_that_is_switched_off_gets_no_routes() {
    let address = application(&[("/openapi.json", r#"{"openapi":"3.1.0","paths":{}}"#)]);
    let run = bartizan().args(["init", "--fastapi", &format!("http://{address}"), "--output", "-"]).output();
    assert_eq!(run.code, 0);
    assert!(!run.stdout.contains("/docs"));
}

#[test]
fn an_application_that_is_not_there_is_said() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = bartizan().args(["init", "--fastapi", &format!("http://{nobody}")]).output();
    assert_eq!(run.code, 1);
    settings().bind(|| insta::assert_snapshot!("not_there", run.stderr));

    let other = application(&[("/", "not FastAPI")]);
    let run = bartizan().args(["init", "--fastapi", &format!("http://{other}")]).output();
    assert_eq!(run.code, 1);
    settings().bind(|| insta::assert_snapshot!("not_fastapi", run.stderr));
}
