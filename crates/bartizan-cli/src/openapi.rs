//! Reading an OpenAPI document: the operations of an API, and what `init` and `check` ask about them.

use serde_json::Value;
use thiserror::Error;

/// What an OpenAPI document says that concerns a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Api {
    /// `info.title`, as its author wrote it.
    pub(crate) title: String,
    /// Every operation, in the document's order of paths.
    pub(crate) operations: Vec<Operation>,
    /// The names of `webhooks`: requests that others send, or that this API sends.
    pub(crate) webhooks: Vec<String>,
    /// Cookies that carry a login: security schemes of type `apiKey` in a cookie.
    pub(crate) login_cookies: Vec<String>,
    /// Whether a client sends bearer tokens or Basic credentials.
    pub(crate) authorization_header: bool,
}

/// A method on a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Operation {
    /// In capitals.
    pub(crate) method: String,
    /// The template, as the document writes it: `/items/{id}`.
    pub(crate) template: String,
    /// A path that the template describes, with a value for each parameter: `/items/1`.
    pub(crate) example: String,
    /// Whether it takes `multipart/form-data` or a raw file.
    pub(crate) upload: bool,
    /// Whether it has parameters that a request must have.
    pub(crate) needs_parameters: bool,
}

/// Why a document could not be read.
#[derive(Debug, Error)]
pub(crate) enum OpenApiError {
    #[error("{name} is not JSON: {error}")]
    Json { name: String, error: serde_json::Error },
    #[error("{name} is Swagger {version}, and this build reads OpenAPI 3")]
    Swagger { name: String, version: String },
    #[error("{name} is JSON, but not an OpenAPI document: it has no `{missing}`")]
    Shape { name: String, missing: &'static str },
}

impl OpenApiError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Json { .. } => {
                "a YAML document must be converted first: yq -o json openapi.yaml > openapi.json".into()
            }
            Self::Swagger { .. } => "convert it first, with swagger2openapi for example".into(),
            Self::Shape { .. } => "FastAPI serves its document at /openapi.json".into(),
        }
    }
}

impl Api {
    /// Reads a document; `name` is how errors call it.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, OpenApiError> {
        let named = || name.to_owned();
        let document: Value =
            serde_json::from_str(text).map_err(|error| OpenApiError::Json { name: named(), error })?;
        if let Some(version) = document["swagger"].as_str() {
            return Err(OpenApiError::Swagger { name: named(), version: version.to_owned() });
        }
        if !document["openapi"].is_string() {
            return Err(OpenApiError::Shape { name: named(), missing: "openapi" });
        }
        // A document of webhooks alone has no paths (OpenAPI 3.1 §4.8.1).
        let no_paths = serde_json::Map::new();
        let paths = match document["paths"].as_object() {
            Some(paths) => paths,
            None if document["webhooks"].is_object() => &no_paths,
            None => return Err(OpenApiError::Shape { name: named(), missing: "paths" }),
        };
        let mut api = Self {
            title: document["info"]["title"].as_str().unwrap_or_default().to_owned(),
            operations: paths
                .iter()
                .flat_map(|(template, item)| operations(&document, template, item))
                .collect(),
            webhooks: document["webhooks"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name.clone())
                .collect(),
            ..Self::default()
        };
        for (_, scheme) in document["components"]["securitySchemes"].as_object().into_iter().flatten() {
            let scheme = resolve(&document, scheme);
            match (scheme["type"].as_str(), scheme["in"].as_str(), scheme["name"].as_str()) {
                (Some("apiKey"), Some("cookie"), Some(cookie)) => api.login_cookies.push(cookie.to_owned()),
                (Some("http" | "oauth2" | "openIdConnect"), _, _) => api.authorization_header = true,
                _ => {}
            }
        }
        api.login_cookies.dedup();
        Ok(api)
    }
}

/// The fields of a path item that are methods (OpenAPI 3.1 §4.8.9).
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

fn operations<'d>(
    document: &'d Value,
    template: &'d str,
    item: &'d Value,
) -> impl Iterator<Item = Operation> + 'd {
    let item = resolve(document, item);
    METHODS.into_iter().filter_map(move |method| {
        let operation = item[method].is_object().then(|| &item[method])?;
        let parameters: Vec<&Value> = [&item["parameters"], &operation["parameters"]]
            .into_iter()
            .filter_map(Value::as_array)
            .flatten()
            .map(|parameter| resolve(document, parameter))
            .collect();
        let content = resolve(document, &operation["requestBody"])["content"].as_object();
        Some(Operation {
            method: method.to_ascii_uppercase(),
            template: template.to_owned(),
            example: example(document, template, &parameters),
            upload: content.into_iter().flatten().any(|(kind, _)| {
                let kind = kind.to_ascii_lowercase();
                kind.starts_with("multipart/form-data") || kind.starts_with("application/octet-stream")
            }),
            needs_parameters: template.contains('{')
                || parameters.iter().any(|parameter| parameter["required"] == Value::Bool(true)),
        })
    })
}

/// Follows one `$ref` into the same document. A reference to elsewhere, or to another reference, is left as it
/// is and then says nothing.
fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    value["$ref"]
        .as_str()
        .and_then(|reference| reference.strip_prefix('#'))
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(value)
}

/// A path of `template`, with a value in the place of each parameter.
fn example(document: &Value, template: &str, parameters: &[&Value]) -> String {
    let mut path = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, inner)| Some((before, inner.split_once('}')?)))
    {
        path.push_str(before);
        let schema = parameters
            .iter()
            .find(|parameter| parameter["in"] == "path" && parameter["name"] == name)
            .map_or(&Value::Null, |parameter| resolve(document, &parameter["schema"]));
        path.push_str(&example_value(schema));
        rest = after;
    }
    path.push_str(rest);
    path
}

fn example_value(schema: &Value) -> String {
    // An enumeration's first value may have a route of its own in the policy; what is not plain is left out.
    if let Some(first) = schema["enum"][0].as_str().filter(|first| is_plain(first)) {
        return first.to_owned();
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("integer" | "number"), _) => "1".into(),
        (_, Some("uuid")) => "00000000-0000-4000-8000-000000000000".into(),
        (_, Some("date")) => "2000-01-01".into(),
        _ => "example".into(),
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r##"{
        "openapi": "3.1.0", "info": { "title": "Shop", "version": "1" },
        "paths": {
            "/items/{id}": {
                "parameters": [{ "$ref": "#/components/parameters/Id" }],
                "get": {}, "delete": {}, "summary": "not a method"
            },
            "/upload": { "post": { "requestBody": { "content": { "multipart/form-data": {} } } } },
            "/health": { "get": {} },
            "/kinds/{kind}": { "get": { "parameters": [
                { "in": "path", "name": "kind", "required": true, "schema": { "enum": ["big", "small"] } }] } }
        },
        "webhooks": { "paid": { "post": {} } },
        "components": {
            "parameters": { "Id": { "in": "path", "name": "id", "required": true, "schema": { "type": "integer" } } },
            "securitySchemes": {
                "a": { "type": "apiKey", "in": "cookie", "name": "sid" },
                "b": { "type": "apiKey", "in": "header", "name": "X-Key" },
                "c": { "type": "http", "scheme": "bearer" }
            }
        }
    }"##;

    #[test]
    fn the_document_is_read() {
        let api = Api::parse("openapi.json", DOCUMENT).unwrap();
        let operations: Vec<_> = api
            .operations
            .iter()
            .map(|o| (&*o.method, &*o.template, &*o.example, o.upload, o.needs_parameters))
            .collect();
        assert_eq!(
            operations,
            [
                ("GET", "/health", "/health", false, false),
                ("GET", "/items/{id}", "/items/1", false, true),
                ("DELETE", "/items/{id}", "/items/1", false, true),
                ("GET", "/kinds/{kind}", "/kinds/big", false, true),
                ("POST", "/upload", "/upload", true, false),
            ]
        );
        assert_eq!(api.title, "Shop");
        assert_eq!(api.webhooks, ["paid"]);
        assert_eq!(api.login_cookies, ["sid"]);
        assert!(api.authorization_header);
    }

    #[test]
    fn what_is_no_document_is_named() {
        for (text, expected) in [
            ("openapi: 3.1.0", "f is not JSON: expected value at line 1 column 1"),
            (r#"{"swagger":"2.0"}"#, "f is Swagger 2.0, and this build reads OpenAPI 3"),
            (r#"{"paths":{}}"#, "f is JSON, but not an OpenAPI document: it has no `openapi`"),
            (r#"{"openapi":"3.1.0"}"#, "f is JSON, but not an OpenAPI document: it has no `paths`"),
            ("[]", "f is JSON, but not an OpenAPI document: it has no `openapi`"),
        ] {
            assert_eq!(Api::parse("f", text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_reference_to_itself_ends() {
        let text = r##"{"openapi":"3.1.0","paths":{"/a":{"$ref":"#/paths/~1a"}}}"##;
        assert_eq!(Api::parse("f", text).unwrap().operations, []);
    }
}
