//! Which values of the policy had a say, and where each was written.

use bartizan_core::policy::{Document, Provenance};
use serde::Serialize;

use crate::explain::Explanation;

/// A value of the policy.
#[derive(Debug, Serialize)]
pub(super) struct Value {
    /// `origin.trusted`.
    pub(super) path: String,
    /// As TOML.
    #[serde(rename = "value")]
    pub(super) written: String,
    /// `file`, `profile`, `override`, `environment`.
    pub(super) kind: &'static str,
    /// `line 12, column 11`, or the variable.
    pub(super) from: String,
}

/// The tables that a control reads, by the control's name.
const READS: [(&str, &[&str]); 15] = [
    ("firewall", &["request"]),
    ("framing", &[]),
    ("health", &["server.health"]),
    ("forwarded", &["proxy"]),
    ("host", &["origin.public", "server.hosts", "server.listen"]),
    ("https", &["https", "origin.public", "proxy"]),
    ("cors", &["cors", "origin"]),
    ("csrf", &["csrf", "origin"]),
    ("websocket", &["websocket", "origin"]),
    ("isolation", &["isolation", "origin"]),
    ("rate_limit", &["rate_limit"]),
    ("requirement", &["default.require", "session", "jwt", "api_keys"]),
    ("headers", &["headers"]),
    ("csp", &["csp"]),
    ("cookies", &["cookies"]),
];

/// Controls that judge every request alike.
const BEFORE_ROUTES: [&str; 4] = ["framing", "health", "host", "https"];

/// What the deciding control read; where the request is allowed, what shapes the response. And the route, and modes.
pub(super) fn relevant(document: &Document, explanation: &Explanation) -> Vec<Value> {
    let mut tables: Vec<String> = vec!["mode".into()];
    let deciding = explanation.controls.iter().filter(|control| control.decides).map(|control| control.name);
    let reporting =
        explanation.controls.iter().filter(|control| control.verdict == "report").map(|control| control.name);
    let shaping = ["headers", "csp", "cookies", "cors"].into_iter().filter(|_| explanation.grant.is_some());
    for control in deciding.chain(reporting).chain(shaping) {
        if let Some((_, reads)) = READS.iter().find(|(name, _)| *name == control) {
            tables.extend(reads.iter().map(|table| (*table).to_owned()));
        }
    }
    // Who decides before any route has a say leaves all routes out of it.
    if explanation.controls.iter().any(|control| control.decides && BEFORE_ROUTES.contains(&control.name)) {
        return written(document, &tables);
    }
    tables.push("default".into());
    let route = explanation.route.as_deref();
    if let Some(index) = document.policy.route.iter().position(|written| Some(&*written.pattern) == route) {
        tables.push(format!("route[{index}]"));
    }
    written(document, &tables)
}

/// All values that are written in one of `tables`.
fn written(document: &Document, tables: &[String]) -> Vec<Value> {
    document
        .provenance()
        .filter(|(path, ..)| tables.iter().any(|table| is_within(path, table)))
        .map(|(path, value, provenance)| Value {
            path,
            written: value,
            kind: kind(&provenance),
            from: provenance.to_string(),
        })
        .collect()
}

/// Whether `path` is the key `table` or one below it.
fn is_within(path: &str, table: &str) -> bool {
    path.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

const fn kind(provenance: &Provenance) -> &'static str {
    match provenance {
        Provenance::File { .. } => "file",
        Provenance::Profile { .. } => "profile",
        Provenance::Override { .. } => "override",
        Provenance::Environment { .. } => "environment",
        _ => "default",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_not_another_with_a_longer_name() {
        for (path, table, expected) in [
            ("origin.public[0]", "origin", true),
            ("origin", "origin", true),
            ("originals", "origin", false),
            ("route[1].match", "route[1]", true),
            ("route[10].match", "route[1]", false),
        ] {
            assert_eq!(is_within(path, table), expected, "{path} in {table}");
        }
    }
}
