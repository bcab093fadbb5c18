//! `bartizan session list`: a table for a person, a JSON object a line for a program.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _},
};

use bartizan::OsClock;
use bartizan_core::{Clock as _, Timestamp};
use bartizan_store::ListedSession;
use serde::Serialize;

use super::{Sessions, key};
use crate::{
    Outcome,
    arguments::SessionListArguments,
    failure::Failure,
    terminal::{self, BOLD, paint, printable},
    when::{ago, ahead, utc},
};

/// Lists them, page by page.
pub(super) fn run(arguments: &SessionListArguments) -> Result<Outcome, Failure> {
    let Some(sessions) = Sessions::open(&arguments.policy)? else { return Ok(Outcome::Faults) };
    let drawn = !arguments.json && io::stdout().is_terminal();
    let mut listed = 0;
    for page in sessions.pages(arguments.subject.as_deref()) {
        let page = page?.sessions;
        let text = if drawn { table(&page, listed == 0, OsClock.now()) } else { lines(&page) };
        listed += page.len();
        terminal::print(&text)?;
    }
    if listed == 0 {
        terminal::print_error(&match &arguments.subject {
            Some(subject) => format!("no session of {} is alive in {}\n", printable(subject), sessions.url),
            None => format!("no session is alive in {}\n", sessions.url),
        });
    }
    sessions.close();
    Ok(Outcome::Fine)
}

/// A session, for programs. Its keys are stable.
#[derive(Serialize)]
struct Line<'s> {
    /// All 64 digits.
    key: String,
    subject: &'s str,
    scopes: &'s [Box<str>],
    since: String,
    /// At most a minute before its last request.
    last_seen: String,
    /// If no other request comes.
    ends: String,
    /// Whatever comes.
    ends_at_last: String,
}

fn lines(page: &[ListedSession]) -> String {
    let mut text = String::new();
    for ListedSession { key, record } in page {
        let line = Line {
            key: key::whole(key),
            subject: &record.subject,
            scopes: &record.scopes,
            since: utc(record.created),
            last_seen: utc(record.touched),
            ends: utc(record.ends()),
            ends_at_last: utc(record.expires),
        };
        text.push_str(&serde_json::to_string(&line).unwrap_or_default());
        text.push('\n');
    }
    text
}

const HEADINGS: [&str; 6] = ["KEY", "SUBJECT", "SCOPES", "SINCE", "LAST SEEN", "ENDS"];

fn table(page: &[ListedSession], with_headings: bool, now: Timestamp) -> String {
    let rows: Vec<[String; 6]> = page
        .iter()
        .map(|ListedSession { key, record }| {
            [
                key.to_string(),
                printable(&record.subject),
                printable(&record.scopes.join(" ")),
                ago(record.created, now),
                ago(record.touched, now),
                ahead(record.ends(), now),
            ]
        })
        .collect();
    let mut text = String::new();
    let widths: Vec<usize> = HEADINGS
        .iter()
        .enumerate()
        .map(|(column, heading)| {
            rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default().max(heading.len())
        })
        .collect();
    let mut row = |cells: &[String]| {
        let cells: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    };
    if with_headings && !rows.is_empty() {
        row(&HEADINGS.map(str::to_owned));
    }
    for cells in &rows {
        row(cells);
    }
    match text.split_once('\n') {
        Some((headings, rest)) if with_headings => format!("{}\n{rest}", paint(BOLD, headings)),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::session::{SessionKey, SessionRecord};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp(1_769_860_800_000);

    fn page() -> Vec<ListedSession> {
        [
            (1, "alice@example.com", &["orders:read", "admin"][..], 7_300_000, 61_000),
            (0xfe, "b\u{1b}[2J", &[], 500, 500),
        ]
        .into_iter()
        .map(|(key, subject, scopes, since, seen)| ListedSession {
            key: SessionKey::from_bytes([key; 32]),
            record: SessionRecord {
                touched: Timestamp(NOW.0 - seen),
                ..SessionRecord::new(
                    subject,
                    scopes.iter().map(|scope| Box::from(*scope)).collect(),
                    Timestamp(NOW.0 - since),
                    Duration::from_mins(30),
                    Duration::from_hours(12),
                )
            },
        })
        .collect()
    }

    #[test]
    fn for_a_person() {
        insta::assert_snapshot!(anstream::adapter::strip_str(&table(&page(), true, NOW)), @r"
        KEY               SUBJECT            SCOPES             SINCE     LAST SEEN  ENDS
        0101010101010101  alice@example.com  orders:read admin  2 h ago   61 s ago   in 29 min
        fefefefefefefefe  b�[2J                                 just now  just now   in 30 min
        ");
        assert_eq!(table(&page(), false, NOW).lines().count(), 2);
        assert_eq!(table(&[], true, NOW), "");
    }

    #[test]
    fn for_a_program() {
        insta::assert_snapshot!(lines(&page()), @r#"
        {"key":"0101010101010101010101010101010101010101010101010101010101010101","subject":"alice@example.com","scopes":["orders:read","admin"],"since":"2026-01-31T09:58:20.000Z","last_seen":"2026-01-31T11:58:59.000Z","ends":"2026-01-31T12:28:59.000Z","ends_at_last":"2026-01-31T21:58:20.000Z"}
        {"key":"fefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefe","subject":"b\u001b[2J","scopes":[],"since":"2026-01-31T11:59:59.500Z","last_seen":"2026-01-31T11:59:59.500Z","ends":"2026-01-31T12:29:59.500Z","ends_at_last":"2026-01-31T23:59:59.500Z"}
        "#);
    }
}
