//! A well-behaved HTTP client: hyper's, one connection a request.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::{Body, Incoming};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;
use std::{error::Error, time::Duration};

/// Longer than any answer takes that a test waits for.
const LIMIT: Duration = Duration::from_mins(1);

type AnyBody = BoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// A request that is being put together.
#[derive(Debug)]
pub struct HttpRequest {
    builder: http::request::Builder,
    body: AnyBody,
}

impl HttpRequest {
    /// A request with this method, to this absolute URL.
    pub fn new(method: Method, url: &str) -> Self {
        Self { builder: Request::builder().method(method).uri(url), body: whole(Bytes::new()) }
    }

    /// GET.
    pub fn get(url: &str) -> Self {
        Self::new(Method::GET, url)
    }

    /// POST.
    pub fn post(url: &str) -> Self {
        Self::new(Method::POST, url)
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// With a form for a body, as a browser encodes it.
    #[must_use]
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let encoded = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.body = whole(encoded.into());
        self.header(header::CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(mut self, value: &Value) -> Self {
        self.body = whole(value.to_string().into());
        self.header(header::CONTENT_TYPE.as_str(), "application/json")
    }

    /// With a body that is sent as it comes.
    #[must_use]
    pub fn body<B>(mut self, body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + Sync + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        self.body = body.map_err(Into::into).boxed();
        self
    }

    /// Sends it, and returns the response as soon as its head is there.
    pub async fn stream(self) -> Response<Incoming> {
        let request = self.builder.body(self.body).expect("a valid request");
        let shown = format!("{} {}", request.method(), request.uri());
        // A new client each time: no connection is left over from a peer that the test has killed.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        match tokio::time::timeout(LIMIT, client.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => panic!("{shown}: {error} ({:?})", error.source()),
            Err(elapsed) => panic!("{shown}: no answer within {LIMIT:?}: {elapsed}"),
        }
    }

    /// Sends it, and reads the whole response.
    pub async fn send(self) -> HttpResponse {
        let (head, body) = self.stream().await.into_parts();
        let body = tokio::time::timeout(LIMIT, body.collect()).await.expect("the body ends in time");
        HttpResponse {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.expect("the body is complete").to_bytes(),
        }
    }
}

/// A response that was read to its end.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl HttpResponse {
    /// The first value of a header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// All values of a header.
    pub fn headers_named(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The `code` of a problem document (RFC 9457), or an empty string.
    pub fn denial(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

fn whole(bytes: Bytes) -> AnyBody {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}
