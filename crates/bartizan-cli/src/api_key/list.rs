//! `bartizan api-key list`: a table for a person, a JSON object a line for a program.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _},
};

use bartizan::OsClock;
use bartizan_core::{
    Clock as _, Timestamp,
    api_key::{ApiKeyError, ApiKeyRecord},
};
use serde::Serialize;

use super::{all, deployment};
use crate::{
    Outcome,
    arguments::ApiKeyListArguments,
    failure::Failure,
    terminal::{self, BOLD, paint, printable},
    when::{ago, ahead, utc},
};

/// Lists them.
pub(super) fn run(arguments: &ApiKeyListArguments) -> Result<Outcome, Failure> {
    let Some(deployment) = deployment(&arguments.policy)? else { return Ok(Outcome::Faults) };
    let keys = all(&deployment, arguments.owner.as_deref())?;
    let url = deployment.url.clone();
    deployment.close();
    let now = OsClock.now();
    let keys: Vec<ApiKeyRecord> =
        keys.into_iter().filter(|key| arguments.all || key.check(now).is_ok()).collect();
    if keys.is_empty() {
        terminal::print_error(&format!("no such API key is in {url}\n"));
        return Ok(Outcome::Fine);
    }
    let drawn = !arguments.json && io::stdout().is_terminal();
    terminal::print(&if drawn { table(&keys, now) } else { lines(&keys, now) })?;
    Ok(Outcome::Fine)
}

/// A key's state: `active`, `replaced` while its grace lasts, `expired`, `revoked`.
fn state(key: &ApiKeyRecord, now: Timestamp) -> &'static str {
    match key.check(now) {
        Ok(()) if key.replaced_by.is_some() => "replaced",
        Ok(()) => "active",
        Err(ApiKeyError::Revoked) => "revoked",
        Err(_) => "expired",
    }
}

/// A key, for programs. Its keys are stable.
#[derive(Serialize)]
struct Line<'k> {
    id: String,
    owner: &'k str,
    name: &'k str,
    scopes: &'k [Box<str>],
    state: &'static str,
    created: String,
    /// `null` is never.
    expires: Option<String>,
    /// At most an hour before its last use.
    last_used: Option<String>,
    replaced_by: Option<String>,
    revoked: Option<String>,
}

fn lines(keys: &[ApiKeyRecord], now: Timestamp) -> String {
    let mut text = String::new();
    for key in keys {
        let line = Line {
            id: key.id.to_string(),
            owner: &key.owner,
            name: &key.name,
            scopes: &key.scopes,
            state: state(key, now),
            created: utc(key.created),
            expires: key.expires.map(utc),
            last_used: key.last_used.map(utc),
            replaced_by: key.replaced_by.map(|by| by.to_string()),
            revoked: key.revoked.map(utc),
        };
        text.push_str(&serde_json::to_string(&line).unwrap_or_default());
        text.push('\n');
    }
    text
}

const HEADINGS: [&str; 7] = ["ID", "OWNER", "NAME", "SCOPES", "STATE", "LAST USED", "ENDS"];

fn table(keys: &[ApiKeyRecord], now: Timestamp) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(keys.iter().map(|key| {
        let ends = key
            .revoked
            .map_or(key.expires, |revoked| Some(key.expires.map_or(revoked, |at| at.min(revoked))));
        [
            key.id.to_string(),
            printable(&key.owner),
            printable(&key.name),
            printable(&key.scopes.join(" ")),
            state(key, now).into(),
            key.last_used.map_or_else(|| "never".into(), |at| ago(at, now)),
            ends.map_or_else(|| "never".into(), |at| if at > now { ahead(at, now) } else { ago(at, now) }),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let line = cells.join("  ").trim_end().to_owned();
        let _ = writeln!(text, "{}", if index == 0 { paint(BOLD, line) } else { line });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::{
        api_key::{ApiKeys, Grantor, KeyId, NewKey, Peppers, Prefix},
        keys::Keys,
    };
    use std::time::Duration;

    const NOW: Timestamp = Timestamp(1_769_860_800_000);
    const DAY: Duration = Duration::from_hours(24);

    fn keys() -> Vec<ApiKeyRecord> {
        let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
        let peppers = Peppers::derive(&keys).unwrap();
        let keys = ApiKeys { prefix: Prefix::parse("acme").unwrap(), peppers, grace: DAY };
        let key = |id: u8, owner: &str, scopes: &[&str]| {
            let new = NewKey {
                owner: owner.into(),
                name: "nightly".into(),
                scopes: scopes.iter().map(|scope| Box::from(*scope)).collect(),
                expires: None,
            };
            let created = NOW.before(DAY);
            let issued = keys.issue(new, Grantor::Operator, created, &mut bartizan::OsEntropy).unwrap();
            ApiKeyRecord { id: KeyId::from_bytes([id; 16]), ..issued.record }
        };
        let active =
            ApiKeyRecord { last_used: Some(NOW.before(DAY / 4)), ..key(1, "ci", &["orders:read", "b"]) };
        let replaced = ApiKeyRecord {
            replaced_by: Some(active.id),
            expires: Some(NOW.after(2 * DAY)),
            ..key(2, "backup", &[])
        };
        let expired = ApiKeyRecord { expires: Some(NOW), ..key(3, "ci", &[]) };
        let revoked = ApiKeyRecord { revoked: Some(NOW), expires: Some(NOW.after(DAY)), ..key(4, "ci", &[]) };
        vec![active, replaced, expired, revoked]
    }

    #[test]
    fn for_a_person() {
        insta::assert_snapshot!(anstream::adapter::strip_str(&table(&keys(), NOW)).to_string());
    }

    #[test]
    fn for_a_program() {
        insta::assert_snapshot!(lines(&keys(), NOW));
    }
}
