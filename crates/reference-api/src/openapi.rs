//! `GET /openapi.json`: what the rows are, from the handlers themselves (OpenAPI 3.1).

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, header};
use utoipa::{
    OpenApi,
    openapi::{
        ContentBuilder, HttpMethod, ObjectBuilder, OpenApi as Document, PathItem, Ref, RefOr, Required,
        ResponseBuilder, ServerBuilder,
        path::{Operation, OperationBuilder},
        schema::Type,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{
    ReferenceApi,
    routes::{api_keys, comments, files, info, login, ping, prefs, profile, token, transfer, users},
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Bartizan's reference API",
        description = "Accounts, money, comments, files, tokens and API keys, behind one policy file.\n\nWhoever signs in \
                       here by `POST /login` has a session, and the rows that need one can be tried. Every refusal is a \
                       problem document (RFC 9457) with a `code`."
    ),
    paths(
        login::login,
        login::logout,
        profile::profile,
        prefs::read,
        prefs::keep,
        users::user,
        users::users,
        transfer::transfer,
        comments::write,
        comments::list,
        comments::page,
        files::list,
        files::read,
        files::put,
        files::post,
        files::remove,
        ping::ping,
        token::token,
        token::rotate,
        api_keys::create,
        api_keys::list,
        api_keys::rotate,
        api_keys::revoke,
        info::info,
    ),
    tags(
        (name = "people", description = "Signing in, and who one is"),
        (name = "money", description = "Moved once, with a token that is good for one request"),
        (name = "comments", description = "Kept raw, shown safe"),
        (name = "files", description = "One's own, confined to their folder"),
        (name = "network", description = "A program, started without a shell"),
        (name = "programs", description = "Tokens and API keys"),
        (name = "about", description = "What this is"),
    )
)]
struct Rows;

/// Where all fields may be left out, and so the body.
const BODY_MAY_BE_MISSING: [&str; 3] = ["/api-keys/rotate", "/prefs/{user_id}", "/token"];

/// The document.
pub(crate) fn document(origin: &str) -> Document {
    let mut document = Rows::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    document.info.license = None;
    document.servers = Some(vec![ServerBuilder::new().url(origin).build()]);
    let components = document.components.get_or_insert_default();
    let mut scheme = |name: &str, scheme| components.add_security_scheme(name, scheme);
    scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("__Host-session"))));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    scheme("token", SecurityScheme::Http(bearer));
    scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key"))));
    // What the engine answers, and no handler.
    for (path, tag, summary, field) in [
        ("/csrf-token", "money", "A fresh token, for `X-CSRF-Token` or a form's `csrf_token`", "csrf_token"),
        ("/.well-known/jwks.json", "programs", "The public keys that verify our tokens (RFC 7517)", "keys"),
    ] {
        document.paths.paths.insert(path.to_owned(), engines(tag, summary, field));
    }
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let any = ResponseBuilder::new()
        .description("Any other refusal, of the policy or of the API.")
        .content("application/problem+json", problem)
        .build();
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            operation.operation_id = Some(name(method, path));
            tell_problems(operation);
            operation.responses.responses.insert("default".to_owned(), any.clone().into());
            if let Some(RefOr::T(body)) = &mut operation.request_body
                && BODY_MAY_BE_MISSING.contains(&path.as_str())
            {
                body.required = Some(Required::False);
            }
        }
    }
    document
}

/// What an operation is called: `post_api_keys_rotate`. Handlers of different rows may have the same name.
fn name(method: &str, path: &str) -> String {
    let words = path.split(|char: char| !char.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(method.to_owned(), |name, word| name + "_" + word)
}

/// Every refusal is a problem document, and has its type (RFC 9457 §3).
fn tell_problems(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if status.starts_with(['4', '5'])
            && let Some(content) = response.content.swap_remove("application/json")
        {
            response.content.insert("application/problem+json".to_owned(), content);
        }
    }
}

/// A row that the engine answers itself, with a JSON object that has this member.
fn engines(tag: &str, summary: &str, field: &str) -> PathItem {
    let member = match field {
        "keys" => utoipa::openapi::ArrayBuilder::new().items(ObjectBuilder::new()).build().into(),
        _ => utoipa::openapi::Schema::from(ObjectBuilder::new().schema_type(Type::String).build()),
    };
    let schema = ObjectBuilder::new().property(field, member).required(field);
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new().description(summary).content("application/json", content);
    let operation = OperationBuilder::new().tag(tag).summary(Some(summary)).response("200", response);
    PathItem::new(HttpMethod::Get, operation)
}

/// Gives it out.
pub(crate) async fn openapi(State(api): State<ReferenceApi>) -> Response {
    let mut response = api.openapi().to_owned().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
