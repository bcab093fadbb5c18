//! `GET /docs`: Swagger UI over the document, from files of this program; nothing is loaded from anywhere else.
//!
//! `assets/swagger-ui` has the files of npm's `swagger-ui-dist` 5.35.0 as they are, without the lines that name source maps.

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, header};

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Bartizan's reference API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"#;

/// Not inline: the policy lets no inline script run.
const START: &str = r##"SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  // Its usual value sends the document to somebody else's server.
  validatorUrl: null,
  // A token of this session goes with each request that changes something.
  requestInterceptor: async (request) => {
    if (request.method && !["GET", "HEAD"].includes(request.method) && !request.headers["x-csrf-token"]) {
      const response = await fetch("/csrf-token");
      if (response.ok) request.headers["x-csrf-token"] = (await response.json()).csrf_token;
    }
    return request;
  },
});
"##;

const BUNDLE: &str = include_str!("../assets/swagger-ui/swagger-ui-bundle.js");
const STYLE: &str = include_str!("../assets/swagger-ui/swagger-ui.css");

/// The page.
pub(crate) async fn page() -> Html<&'static str> {
    Html(PAGE)
}

/// Swagger UI.
pub(crate) async fn bundle() -> Response {
    asset("text/javascript; charset=utf-8", BUNDLE)
}

/// Its style.
pub(crate) async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

/// What starts it.
pub(crate) async fn start() -> Response {
    asset("text/javascript; charset=utf-8", START)
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        // Asked for again with each version of this program, and not with each page.
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
    ];
    (headers, text).into_response()
}
