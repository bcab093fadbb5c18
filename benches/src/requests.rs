//! The requests that are measured, as a browser sends them and hyper hands them over.

use std::net::SocketAddr;

use axum::{body::Body, extract::ConnectInfo};
use http::{HeaderName, HeaderValue, Request, Uri};

/// A page's own script reads JSON.
pub fn json() -> Request<Body> {
    request("GET", "/items/7", &[("accept", "application/json"), ("sec-fetch-site", "same-origin")])
}

/// A script of a trusted origin reads JSON with credentials.
pub fn cross_origin() -> Request<Body> {
    let headers = [
        ("accept", "application/json"),
        ("origin", "https://app.example.com"),
        ("sec-fetch-site", "same-site"),
    ];
    request("GET", "/items/7", &headers)
}

/// A navigation to a page.
pub fn page() -> Request<Body> {
    let headers = [("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"), ("sec-fetch-site", "none")];
    let mut page = request("GET", "/page", &headers);
    page.headers_mut().insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
    page.headers_mut().insert("sec-fetch-dest", HeaderValue::from_static("document"));
    page
}

/// A form of a foreign page, which is refused.
pub fn forged() -> Request<Body> {
    let headers = [
        ("accept", "text/html"),
        ("origin", "https://evil.example"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "cross-site"),
    ];
    request("POST", "/items/7", &headers)
}

/// A page's own script reads who is signed in, with the session's cookie.
///
/// # Panics
///
/// If that is no cookie.
pub fn signed_in(cookie: &str) -> Request<Body> {
    with_session(json(), "GET", cookie)
}

/// A page's own script changes something, with the session's cookie and a CSRF token.
///
/// # Panics
///
/// If these are none.
pub fn change(cookie: &str, token: &str) -> Request<Body> {
    let mut change = with_session(json(), "POST", cookie);
    let token = HeaderValue::from_str(token).expect("a token");
    change.headers_mut().insert("x-csrf-token", token);
    change
}

fn with_session(mut request: Request<Body>, method: &str, cookie: &str) -> Request<Body> {
    *request.method_mut() = method.parse().expect("a method");
    *request.uri_mut() = Uri::from_static("/me");
    let cookies = format!("theme=dark; {cookie}; csrftoken=Zr2mP9wQ5tK8");
    let cookies = HeaderValue::try_from(cookies).expect("a cookie");
    request.headers_mut().insert("cookie", cookies);
    request
}

fn request(method: &str, path: &'static str, headers: &[(&'static str, &'static str)]) -> Request<Body> {
    const BROWSER: &[(&str, &str)] = &[
        ("host", "api.example.com"),
        ("connection", "keep-alive"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("referer", "https://api.example.com/"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
        ("cookie", "theme=dark; csrftoken=Zr2mP9wQ5tK8"),
    ];
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method.parse().expect("a method");
    *request.uri_mut() = Uri::from_static(path);
    for &(name, value) in BROWSER.iter().chain(headers) {
        request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let peer = SocketAddr::from(([203, 0, 113, 9], 40_000));
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}
