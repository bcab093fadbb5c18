//! The text of a starter policy.

use std::fmt::Write as _;

use crate::init::fastapi::App;

/// The whole file.
pub(crate) fn policy(upstream: &str, app: Option<&App>) -> String {
    let mut text = String::new();
    let title = app.map(|app| &*app.api.title).filter(|title| !title.is_empty()).unwrap_or("your API");
    let _ = write!(
        text,
        "# Bartizan's policy for {}.\n\
         #\n\
         # Every key has a secure default; what stands here is what you may want to change.\n\
         #   bartizan check              is this file right?\n\
         #   bartizan explain GET /      what happens to a request, and why?\n\
         #   bartizan serve              protect the application\n",
        comment(title)
    );
    text.push_str(HEAD);
    server(&mut text, upstream, app);
    text.push_str(PROXY);
    cors(&mut text, app);
    csrf(&mut text, app);
    text.push_str(DEFAULTS);
    if let Some(app) = app {
        documentation(&mut text, app);
        uploads(&mut text, app);
        webhooks(&mut text, app);
    } else {
        text.push_str(EXAMPLE_ROUTE);
    }
    text.push_str(PROFILES);
    text
}

const HEAD: &str = r#"
# The version of this format.
version = 1

# "report" decides and logs, and lets every request pass; "enforce", the default, refuses. Each table below takes
# a `mode` of its own too. `bartizan report LOGFILE` sums up what "report" would have refused.
# mode = "report"

[origin]
# Where browsers reach this API. While the list is empty only this machine can: localhost, 127.0.0.1 and [::1].
# On any other address the gateway does not start without it.
# public = ["https://api.example.com"]
public = []

# Other origins whose pages may call this API with the user's cookies: your front end, if it has an origin of its
# own. Exact, or "https://*.example.com" for all subdomains.
# trusted = ["https://app.example.com"]
trusted = []
"#;

const PROXY: &str = r#"
# What stands in front of Bartizan (a load balancer, nginx, an ingress): only from these addresses are forwarded
# headers believed, and only the one header per fact that is named here.
# [proxy]
# trusted = ["10.0.0.0/8"]
# forwarded = { for = "x-forwarded-for", proto = "x-forwarded-proto" }
"#;

const DEFAULTS: &str = r#"
[default]
# What holds for every route that does not say otherwise. The longest request body:
max_body = "10MiB"

# Routes: in this order, the first that matches wins, and changes only the keys that it names. `*` is any method or
# one path segment, `{name}` one segment, a final `/**` the rest of the path; GET covers HEAD.
"#;

const EXAMPLE_ROUTE: &str = r#"
# [[route]]
# match = "POST /upload/**"
# max_body = "100MiB"
"#;

const PROFILES: &str = r#"
# Profiles are laid over all of the above when chosen by name: `bartizan serve --profile development`. No name means
# production. In `development` a refusal tells the client which policy line would allow it.
[profile.development]
origin.public = ["http://localhost:8080"]
# A front end's development server, which runs on an origin of its own:
# origin.trusted = ["http://localhost:5173"]
"#;

fn server(text: &mut String, upstream: &str, app: Option<&App>) {
    let _ = write!(
        text,
        "\n[server]\n\
         # Where the gateway listens. 127.0.0.1 is reached from this machine only; other addresses need origin.public.\n\
         listen = \"127.0.0.1:8080\"\n\
         \n\
         # The application that it protects. Let it listen on an address that only Bartizan can reach.\n\
         upstream = {}\n\
         \n\
         # A path that Bartizan answers itself, for load balancers: whether the gateway is up, not the application.\n\
         # health = \"/healthz\"\n",
        quoted(upstream)
    );
    let checks = app.map(App::health_checks).unwrap_or_default();
    if !checks.is_empty() {
        let _ = writeln!(
            text,
            "# (The application's own: GET {}. It passes like any request, so name another path here.)",
            checks.join(", GET ")
        );
    }
}

fn cors(text: &mut String, app: Option<&App>) {
    const SAFE: [&str; 3] = ["GET", "HEAD", "POST"];
    let used = |method: &&str| {
        app.is_none_or(|app| app.api.operations.iter().any(|operation| operation.method == *method))
    };
    let methods: Vec<String> =
        SAFE.into_iter().chain(["PUT", "PATCH", "DELETE"].into_iter().filter(used)).map(quoted).collect();
    let mut headers = vec![quoted("content-type")];
    if app.is_none_or(|app| app.api.authorization_header) {
        headers.push(quoted("authorization"));
    }
    // Where a trusted origin's pages have to send a token, Bartizan's or the application's own, their preflights fail
    // without it; and it lets nobody send anything that is not asked of them.
    headers.push(quoted("x-csrf-token"));
    let _ = write!(
        text,
        "\n[cors]\n\
         # What pages of the trusted origins may use. CORS headers of the application are replaced by Bartizan's.\n\
         methods = [{}]\n\
         headers = [{}]\n",
        methods.join(", "),
        headers.join(", ")
    );
}

fn csrf(text: &mut String, app: Option<&App>) {
    text.push_str(
        "\n[csrf]\n\
         # The application's cookies that carry a login. A request that changes state, carries one of them, and does not\n\
         # say where it comes from (neither Sec-Fetch-Site nor Origin) is refused; requests of foreign pages always are.\n",
    );
    let cookies = app.map(|app| &*app.api.login_cookies).unwrap_or_default();
    if cookies.is_empty() {
        text.push_str("# ambient_cookies = [\"session\"]\n");
    } else {
        let _ = writeln!(text, "ambient_cookies = {}", list(cookies));
    }
    text.push_str(
        "# With a CSRF token the former passes; on a route with csrf = \"token\" everybody needs one. A path that answers GET\n\
         # with one, in front of the application's own:\n\
         # token_path = \"/csrf-token\"\n\
         \n\
         [cookies]\n\
         # The application's cookies leave with Secure, HttpOnly and SameSite=Lax. Scripts of its pages may still read the\n\
         # usual CSRF cookies (csrftoken, XSRF-TOKEN and the like); to name others, list all of them:\n\
         # readable = [\"csrftoken\", \"theme\"]\n",
    );
}

/// The hash of the empty `<style>` element that `ReDoc`'s styled-components makes and then fills by script.
const STYLED_COMPONENTS: &str = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";
/// The hash of the style element for `ReDoc`'s scroll bars, the same in `ReDoc` 2.0 to 2.5.
const SCROLL_BARS: &str = "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='";

fn documentation(text: &mut String, app: &App) {
    if app.docs.is_none() && app.redoc.is_none() {
        return;
    }
    text.push_str(
        "\n# FastAPI's documentation. Its pages load scripts and styles from elsewhere and have them inline, which the policy\n\
         # for pages does not allow; these routes allow what the pages need and nothing else. 'sha256-…' is one inline\n\
         # script or style, as your application served it when this file was written: after an upgrade of FastAPI, or a\n\
         # change of its documentation settings, run `bartizan init` again and compare.\n\
         # `require` keeps them public once [default] requires a credential. To hide them, remove the routes and set\n\
         # docs_url, redoc_url and openapi_url to None in the application.\n",
    );
    if let Some(page) = &app.docs {
        route(text, "/docs");
        directives(
            text,
            &[
                ("script-src", "Swagger UI, and the script that starts it", sources(&[], &page.scripts, &[])),
                ("style-src", "Swagger UI's style sheet", sources(&[], &page.styles, &[])),
                (
                    "img-src",
                    "the icon, and the pictures within the style sheet",
                    sources(&["'self'", "data:"], &page.images, &[]),
                ),
            ],
        );
    }
    if let Some(page) = &app.oauth2_redirect {
        text.push_str("\n# Where the window comes back to in which a user signs in from /docs; it hands the result to the page behind it.\n");
        route(text, "/docs/oauth2-redirect");
        text.push_str(
            "# With any other value the window, coming from another origin, would be cut off from that page (HTML §7.1.3).\n\
             coop = \"unsafe-none\"\n",
        );
        directives(text, &[("script-src", "its one script", sources(&[], &page.scripts, &[]))]);
    }
    if let Some(page) = &app.redoc {
        let redoc = page.scripts.iter().any(|script| script.contains("redoc"));
        let own: (&[&str], &[&str]) = if redoc {
            (&["https://cdn.redoc.ly/redoc/"], &[STYLED_COMPONENTS, SCROLL_BARS])
        } else {
            (&[], &[])
        };
        text.push('\n');
        route(text, "/redoc");
        let mut rows = vec![
            ("script-src", "ReDoc", sources(&[], &page.scripts, &[])),
            (
                "style-src",
                "its fonts' style sheet, the page's own style, and the two that ReDoc makes",
                sources(&[], &page.styles, own.1),
            ),
            (
                "img-src",
                "the icon, ReDoc's logo, pictures within styles",
                sources(&["'self'", "data:"], &page.images, own.0),
            ),
        ];
        if page.styles.iter().any(|style| style.starts_with("https://fonts.googleapis.com/")) {
            rows.push((
                "font-src",
                "where that style sheet has its fonts",
                vec!["https://fonts.gstatic.com".into()],
            ));
        }
        if redoc {
            rows.push(("worker-src", "the search runs in a worker that ReDoc makes", vec!["blob:".into()]));
        }
        directives(text, &rows);
    }
    text.push_str("\n# What those pages read.\n");
    route(text, "/openapi.json");
}

fn route(text: &mut String, path: &str) {
    let _ = write!(text, "[[route]]\nmatch = {}\nrequire = \"nothing\"\n", quoted(format!("* {path}")));
}

fn directives(text: &mut String, rows: &[(&str, &str, Vec<String>)]) {
    text.push_str("[route.csp]\n");
    for (name, why, sources) in rows {
        if !sources.is_empty() {
            let _ = write!(text, "# {why}\n{name} = {}\n", list(sources));
        }
    }
}

/// Each source once.
fn sources(first: &[&str], found: &[String], last: &[&str]) -> Vec<String> {
    let all = first
        .iter()
        .map(ToString::to_string)
        .chain(found.iter().cloned())
        .chain(last.iter().map(ToString::to_string));
    let mut sources: Vec<String> = Vec::new();
    for source in all {
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    sources
}

fn uploads(text: &mut String, app: &App) {
    for (index, operation) in app.uploads().enumerate() {
        text.push_str(if index == 0 {
            "\n# Takes files. The body streams through; the limit is for the application, which has to put it somewhere.\n"
        } else {
            "\n"
        });
        let _ = write!(
            text,
            "[[route]]\nmatch = {}\nmax_body = \"100MiB\"\n",
            quoted(pattern(&operation.method, &operation.template))
        );
    }
}

/// A route's `match` for an OpenAPI path: a segment that has a parameter in it is any segment.
fn pattern(method: &str, template: &str) -> String {
    let segment = |segment: &str| {
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match name {
            Some(name) if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
                segment.to_owned()
            }
            _ if segment.contains(['{', '}', '*']) => "*".into(),
            _ => encoded(segment),
        }
    };
    format!("{method} {}", template.split('/').map(segment).collect::<Vec<_>>().join("/"))
}

/// A literal segment as a client sends it (RFC 3986 §3.3).
fn encoded(segment: &str) -> String {
    segment
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~!$&'()+,=:@%".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn webhooks(text: &mut String, app: &App) {
    text.push_str(
        "\n# Webhooks that others send to you come without Origin and without cookies, and pass as they are.\n",
    );
    if !app.api.webhooks.is_empty() {
        let _ = writeln!(
            text,
            "# (The document's own webhooks, {}, are sent by the application and do not come by here.)",
            comment(&app.api.webhooks.join(", "))
        );
    }
}

fn list(values: &[String]) -> String {
    let quoted: Vec<String> = values.iter().map(quoted).collect();
    let line = format!("[{}]", quoted.join(", "));
    if line.len() <= 100 { line } else { format!("[\n    {},\n]", quoted.join(",\n    ")) }
}

/// A TOML basic string. `${` is written `$${`, since `${env:…}` stands for a variable.
fn quoted(text: impl AsRef<str>) -> String {
    let mut quoted = String::from("\"");
    for char in text.as_ref().replace("${", "$${").chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            _ if char.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(char));
            }
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

/// Text of a stranger, for a comment: one line, without control characters.
fn comment(text: &str) -> String {
    text.chars().take(200).map(|char| if char.is_control() { ' ' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_becomes_a_pattern() {
        for (template, expected) in [
            ("/upload/{folder}", "POST /upload/{folder}"),
            ("/a b/{item-id}/c", "POST /a%20b/*/c"),
            ("/{name}.json", "POST /*"),
            ("/", "POST /"),
        ] {
            assert_eq!(pattern("POST", template), expected);
        }
    }

    #[test]
    fn a_strangers_text_stays_a_string_and_a_comment() {
        assert_eq!(quoted("a\"b\\c\n${$"), r#""a\"b\\c\u000A$${$""#);
        let app = App {
            api: crate::openapi::Api { title: "x\nversion = 2".into(), ..Default::default() },
            ..App::default()
        };
        assert!(policy("http://a", Some(&app)).starts_with("# Bartizan's policy for x version = 2.\n"));
    }
}
