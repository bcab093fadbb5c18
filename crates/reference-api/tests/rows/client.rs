//! A client with cookies, which sends what a page of the API's own origin sends.

use std::{collections::BTreeMap, sync::Mutex};

use bartizan_peers::{HttpRequest, HttpResponse};
use http::Method;
use serde_json::Value;

/// A client. It keeps cookies as a browser does that shows one site.
pub(crate) struct Client {
    origin: String,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Client {
    pub(crate) fn new(origin: &str) -> Self {
        Self { origin: origin.to_owned(), cookies: Mutex::default() }
    }

    /// A request with its cookies and its origin, to be completed and [sent](Self::send).
    pub(crate) fn request(&self, method: Method, path: &str) -> HttpRequest {
        let request =
            HttpRequest::new(method, &format!("{}{path}", self.origin)).header("origin", &self.origin);
        match self.cookie_header() {
            Some(cookies) => request.header("cookie", &cookies),
            None => request,
        }
    }

    /// Sends it, and keeps the cookies that come back.
    pub(crate) async fn send(&self, request: HttpRequest) -> HttpResponse {
        let response = request.send().await;
        let mut cookies = self.cookies.lock().unwrap();
        for line in response.headers_named("set-cookie") {
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        drop(cookies);
        response
    }

    pub(crate) async fn get(&self, path: &str) -> HttpResponse {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> HttpResponse {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> HttpResponse {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// The value of a cookie that it has.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().get(name).cloned()
    }

    /// Gives it a cookie.
    pub(crate) fn plant(&self, name: &str, value: &str) {
        self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }

    fn cookie_header(&self) -> Option<String> {
        let cookies = self.cookies.lock().unwrap();
        let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}
