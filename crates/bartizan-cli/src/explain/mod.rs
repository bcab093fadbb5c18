//! `bartizan explain`: what would happen to a request, and why.
//!
//! The request is judged by the engine that serves, with its trace switched on; this module only asks and shows.

mod text;
mod values;

use bartizan::{OsClock, OsEntropy};
use bartizan_core::{
    Decision, Denial, DenialCode, Engine, Grant, Note, Reply, ResponseEdits, ResponseHead, Scheme, Verdict,
};
use serde::Serialize;

use crate::{
    Outcome,
    arguments::{ExplainArguments, SchemeArgument},
    diagnostics,
    explain::values::Value,
    failure::Failure,
    policy::{self, Source},
    request::{Given, Request, Supplied},
    terminal,
};

/// Explains a request to whoever asks.
pub(crate) fn run(arguments: &ExplainArguments) -> Result<Outcome, Failure> {
    let source = Source::find(arguments.policy.policy.as_deref())?.unwrap_or_else(Source::built_in);
    let profile = arguments.policy.profile.profile.as_deref();
    let policy = match policy::load(&source, profile, None, policy::stand_in_keys())? {
        Ok(policy) => policy,
        Err(faults) => {
            diagnostics::print(&source, &faults);
            return Ok(Outcome::Faults);
        }
    };
    let given = Given {
        method: &arguments.method,
        target: &arguments.target,
        headers: &arguments.headers,
        scheme: arguments.scheme.map(|scheme| match scheme {
            SchemeArgument::Http => Scheme::Http,
            SchemeArgument::Https => Scheme::Https,
        }),
        peer: arguments.peer,
    };
    let request = Request::complete(&given, &policy)?;
    let mut explanation = Explanation::of(&request, &policy.engine);
    explanation.policy = Some(Policy {
        file: (!source.built_in).then_some(source.name),
        profile: policy::profile_name(profile).map(str::to_owned),
    });
    let routes = &policy.document.policy.route;
    explanation.route = explanation.route.filter(|found| routes.iter().any(|route| route.pattern == *found));
    explanation.values = values::relevant(&policy.document, &explanation);
    let text = if arguments.json {
        let mut json = serde_json::to_string_pretty(&explanation).unwrap_or_default();
        json.push('\n');
        json
    } else {
        text::render(&explanation)
    };
    terminal::print(&text)?;
    Ok(Outcome::Fine)
}

/// What would happen to a request, and why. As JSON its keys are stable.
#[derive(Debug, Serialize)]
struct Explanation {
    request: Asked,
    /// `allow`, `respond` or `deny`.
    decision: &'static str,
    /// What each control found, in order.
    controls: Vec<Control>,
    /// Why it is refused.
    denial: Option<Refusal>,
    /// The answer that Bartizan gives itself, where it does.
    reply: Option<Answered>,
    /// The pattern of the route that matched; `None` where `[default]` holds.
    route: Option<String>,
    /// What goes on to the application, where the request does.
    grant: Option<Granted>,
    policy: Option<Policy>,
    /// The values of the policy that had a say.
    values: Vec<Value>,
}

#[derive(Debug, Serialize)]
struct Asked {
    method: String,
    target: String,
    scheme: &'static str,
    peer: String,
    headers: Vec<(String, String)>,
    supplied: Vec<Supplied>,
}

#[derive(Debug, Serialize)]
struct Control {
    #[serde(rename = "control")]
    name: &'static str,
    /// `pass`, `skip`, `answer`, `report` or `refuse`.
    verdict: &'static str,
    why: String,
    /// Whether this one decided.
    decides: bool,
}

#[derive(Debug, Serialize)]
struct Refusal {
    code: &'static str,
    status: u16,
    title: &'static str,
    /// What was at fault.
    value: Option<String>,
    /// The policy line that would allow it.
    allow: Option<String>,
    /// The page that says more.
    docs: String,
}

#[derive(Debug, Serialize)]
struct Answered {
    status: u16,
    headers: Vec<(&'static str, String)>,
}

#[derive(Debug, Serialize)]
struct Granted {
    /// In bytes.
    max_body: u64,
    client_ip: Option<String>,
    client_scheme: &'static str,
    websocket: bool,
    /// What mode `report` would have refused.
    reports: Vec<Refusal>,
    /// What a response with JSON would get.
    api: Edited,
    /// What a response with a page would get.
    page: Edited,
}

/// What becomes of a response.
#[derive(Debug, Serialize)]
struct Edited {
    /// The headers that are added.
    headers: Vec<(&'static str, String)>,
    /// Why it is refused, where it is: the application has answered then, and its answer does not go out.
    refused: Option<Refusal>,
    /// Why it would be refused, where the control's mode is `report`.
    would_refuse: Option<Refusal>,
}

#[derive(Debug, Serialize)]
struct Policy {
    /// `None` for the built-in defaults.
    file: Option<String>,
    /// `None` for production.
    profile: Option<String>,
}

impl Explanation {
    fn of(request: &Request, engine: &Engine) -> Self {
        let (decision, trace) = request.judge(engine);
        let route = trace.0.iter().find(|note| note.control == "route").map(|note| note.why.clone());
        let mut explanation = Self {
            request: Asked::from(request),
            decision: "deny",
            controls: controls(&trace.0),
            denial: None,
            reply: None,
            route,
            grant: None,
            policy: None,
            values: Vec::new(),
        };
        match decision {
            Decision::Allow(grant) => {
                explanation.decision = "allow";
                explanation.grant = Some(Granted::from(&grant));
            }
            Decision::Respond(reply) => {
                explanation.decision = "respond";
                explanation.reply = Some(Answered::from(&reply));
            }
            Decision::Deny(denial) => {
                explanation.denial = Some(Refusal::from(denial.reason()));
                explanation.reply = Some(Answered::from(denial.reply()));
                mark_refusal(&mut explanation.controls, &denial);
            }
        }
        explanation
    }
}

/// The notes; the last that answers or refuses is the one that decides.
fn controls(notes: &[Note]) -> Vec<Control> {
    let decides = notes.iter().rposition(|note| matches!(note.verdict, Verdict::Answer | Verdict::Refuse));
    notes
        .iter()
        .enumerate()
        .map(|(index, note)| Control {
            name: note.control,
            verdict: note.verdict.as_str(),
            why: terminal::printable(&note.why),
            decides: Some(index) == decides,
        })
        .collect()
}

/// Where no note says who refused, the denial's own control does.
fn mark_refusal(controls: &mut Vec<Control>, denial: &Denial) {
    if !controls.iter().any(|control| control.decides) {
        let code = denial.reason().code();
        controls.push(Control {
            name: code.control(),
            verdict: Verdict::Refuse.as_str(),
            why: code.title().to_owned(),
            decides: true,
        });
    }
}

/// The page about a code, below the project's root.
fn docs_page(code: DenialCode) -> String {
    format!("docs/denials/{code}.md")
}

impl From<&bartizan_core::Reason> for Refusal {
    fn from(reason: &bartizan_core::Reason) -> Self {
        let code = reason.code();
        Self {
            code: code.as_str(),
            status: code.status(),
            title: code.title(),
            value: reason.value().map(str::to_owned),
            allow: reason.allow_line(),
            docs: docs_page(code),
        }
    }
}

impl From<&Reply> for Answered {
    fn from(reply: &Reply) -> Self {
        let headers = reply.headers().map(|(name, value)| (name.as_str(), shown(value, None))).collect();
        Self { status: reply.status, headers }
    }
}

impl From<&Request> for Asked {
    fn from(request: &Request) -> Self {
        // Explanations are pasted into tickets; what carries a login is not.
        let shown = |(name, value): &(String, String)| {
            let secret = ["authorization", "cookie", "proxy-authorization", "x-api-key", "x-csrf-token"]
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known));
            (name.clone(), if secret { "[redacted]".into() } else { value.clone() })
        };
        Self {
            method: request.method.clone(),
            target: request.target.clone(),
            scheme: request.scheme.as_str(),
            peer: request.peer.to_string(),
            headers: request.headers.iter().map(shown).collect(),
            supplied: request.supplied.clone(),
        }
    }
}

impl From<&Grant> for Granted {
    fn from(grant: &Grant) -> Self {
        Self {
            max_body: grant.max_body(),
            client_ip: grant.client_ip().map(|ip| ip.to_string()),
            client_scheme: grant.scheme().as_str(),
            websocket: grant.is_websocket(),
            reports: grant.reports().iter().map(Refusal::from).collect(),
            api: Edited::of(grant, b"application/json"),
            page: Edited::of(grant, b"text/html; charset=utf-8"),
        }
    }
}

impl Edited {
    /// What becomes of a response of this type.
    fn of(grant: &Grant, content_type: &[u8]) -> Self {
        let head = ResponseHead { status: 200, headers: [(&b"content-type"[..], content_type)].into_iter() };
        let edits: ResponseEdits = grant.respond(head, OsClock, OsEntropy);
        let prepared = grant.engine().prepared_headers();
        let finished = edits.prepared().iter().filter_map(|id| prepared.get(id.index()));
        let finished = finished.map(|header| (header.name.as_str(), header.value.to_string()));
        let computed =
            edits.computed().iter().map(|(name, value)| (name.as_str(), shown(value, grant.nonce())));
        Self {
            headers: finished.chain(computed).collect(),
            refused: edits.replacement().map(|denial| Refusal::from(denial.reason())),
            would_refuse: edits.reports().first().map(Refusal::from),
        }
    }
}

/// A header's value; a nonce is different each time, so it is shown as `…`.
fn shown(value: &[u8], nonce: Option<&str>) -> String {
    let text = terminal::printable(&String::from_utf8_lossy(value));
    match nonce {
        Some(nonce) => text.replace(nonce, "…"),
        None => text,
    }
}
