//! The operations of an API, as a client without credentials would meet them behind a policy.

use std::fmt::{self, Write as _};

use bartizan_core::{Decision, DenialCode, policy::RequireConfig};

use crate::{
    failure::Failure,
    openapi::{Api, Operation},
    policy::Loaded,
    request::{Given, Request},
    terminal::{self, BOLD, DIM, GOOD, NOTICE, count, paint},
};

/// Every operation, by what becomes of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Coverage {
    /// Reaches the application without any credential.
    public: Vec<Row>,
    /// Needs a credential.
    guarded: Vec<Row>,
    /// Is refused for another reason.
    refused: Vec<Row>,
    /// Whether the policy has no credential to ask for.
    nobody_is_asked: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Row {
    method: String,
    path: String,
    /// The route, the requirement, or the reason.
    note: String,
}

impl Coverage {
    /// Judges every operation.
    pub(super) fn of(api: &Api, policy: &Loaded) -> Result<Self, Failure> {
        let mut coverage =
            Self { nobody_is_asked: policy.engine.authorisation_is_upstreams(), ..Self::default() };
        for operation in &api.operations {
            coverage.add(operation, policy)?;
        }
        Ok(coverage)
    }

    fn add(&mut self, operation: &Operation, policy: &Loaded) -> Result<(), Failure> {
        let given = Given { method: &operation.method, target: &operation.example, ..Given::default() };
        let (decision, trace) = Request::complete(&given, policy)?.judge(&policy.engine);
        let row = |note: String| Row {
            method: terminal::printable(&operation.method),
            path: terminal::printable(&operation.template),
            note,
        };
        let route = trace.0.iter().find(|note| note.control == "route").map_or("", |note| &*note.why);
        let written = policy.document.policy.route.iter().find(|written| written.pattern == route);
        match decision {
            Decision::Allow(_) => {
                self.public.push(row(
                    written.map_or("[default]".into(), |route| format!("route `{}`", route.pattern))
                ));
            }
            Decision::Deny(denial) if denial.reason().code() == DenialCode::AuthRequired => {
                let default = policy.document.policy.default.require.as_ref();
                let require = written.and_then(|route| route.require.as_ref()).or(default);
                self.guarded.push(row(require.map_or(String::new(), requirement)));
            }
            Decision::Deny(denial) => self.refused.push(row(denial.reason().code().to_string())),
            Decision::Respond(reply) => {
                self.refused.push(row(format!("answered by Bartizan with {}", reply.status)));
            }
        }
        Ok(())
    }

    /// For a person.
    pub(super) fn text(&self, document: &str) -> String {
        let mut text = String::new();
        let _ = self.write(document, &mut text);
        text
    }

    fn write(&self, document: &str, text: &mut String) -> fmt::Result {
        let all = self.public.len() + self.guarded.len() + self.refused.len();
        writeln!(
            text,
            "{} of {document}, as a client without credentials meets them:",
            paint(BOLD, count(all, "operation"))
        )?;
        table(text, &paint(NOTICE, format_args!("left public ({})", self.public.len())), &self.public)?;
        if self.nobody_is_asked && !self.public.is_empty() {
            writeln!(
                text,
                "  {}",
                paint(
                    DIM,
                    "The policy configures no credential, so who may do what is the application's own decision."
                )
            )?;
        }
        table(
            text,
            &paint(GOOD, format_args!("require a credential ({})", self.guarded.len())),
            &self.guarded,
        )?;
        table(text, &format!("refused for another reason ({})", self.refused.len()), &self.refused)?;
        writeln!(text)
    }
}

/// A requirement, in words: `session or jwt, with scope admin`.
fn requirement(require: &RequireConfig) -> String {
    let (kinds, scope) = match require {
        RequireConfig::One(kind) => (std::slice::from_ref(kind), None),
        RequireConfig::Any { any, scope } => (&**any, scope.as_deref()),
    };
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    let scope = scope.map(|scope| format!(", with scope {scope}")).unwrap_or_default();
    terminal::printable(&format!("{}{scope}", kinds.join(" or ")))
}

fn table(text: &mut String, title: &str, rows: &[Row]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{title}")?;
    let width = rows.iter().map(|row| row.path.chars().count()).max().unwrap_or_default();
    for Row { method, path, note } in rows {
        writeln!(text, "  {method:7} {path:width$}  {}", paint(DIM, note))?;
    }
    Ok(())
}
