//! `bartizan keys list`: a table and a timeline for a person, a JSON object a line for a program.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _},
};

use bartizan::OsClock;
use bartizan_core::{
    Clock as _, Timestamp,
    key_ring::{Happening, Ring, RingKey, Settings, State, Window, timeline},
};
use serde::Serialize;

use super::{issuers, kept, shown, timeline as chart};
use crate::{
    Outcome,
    arguments::KeysListArguments,
    failure::Failure,
    terminal::{self, BOLD, paint, printable},
    when::{ago, ahead, utc},
};

/// Lists them.
pub(super) fn run(arguments: &KeysListArguments) -> Result<Outcome, Failure> {
    let Some(deployment) = super::deployment(&arguments.policy)? else { return Ok(Outcome::Faults) };
    let (ring, settings) = (kept(&deployment)?, issuers(&deployment.loaded)?.ring().clone());
    deployment.close();
    let drawn = !arguments.json && io::stdout().is_terminal();
    let now = OsClock.now();
    let keys = entries(&ring, &settings, now);
    let text = if drawn {
        format!("{}\n{}", table(&keys, now), chart::draw(&ring, &keys, &settings, now))
    } else {
        lines(&keys)
    };
    terminal::print(&text)?;
    Ok(Outcome::Fine)
}

/// A key, as it is listed.
pub(super) struct Entry<'r> {
    pub(super) key: &'r RingKey,
    pub(super) state: State,
    /// When nothing that it signed is good any more; `None` for one that was revoked.
    pub(super) retires: Option<Timestamp>,
}

/// The keys, in the order in which they sign.
pub(super) fn entries<'r>(ring: &'r Ring, settings: &Settings, now: Timestamp) -> Vec<Entry<'r>> {
    let events = timeline(ring, settings);
    let retires =
        |kid: &str| events.iter().find(|event| event.kid == Some(kid) && event.what == Happening::Retires);
    let mut keys: Vec<_> = ring
        .keys()
        .iter()
        .map(|key| Entry {
            key,
            state: key.state(ring.longest_token(), settings, now),
            retires: retires(key.kid()).map(|event| event.at),
        })
        .collect();
    keys.sort_by_key(|Entry { key, .. }| {
        (key.window().map_or(key.created(), |window| window.from), key.kid())
    });
    keys
}

/// When a key signs, or signed until it was revoked; `None` for one that never does.
fn signs(key: &RingKey) -> Option<Window> {
    let window = key.window()?;
    match key.revoked() {
        Some(revoked) if revoked <= window.from => None,
        Some(revoked) => Some(Window { until: window.until.min(revoked), ..window }),
        None => Some(window),
    }
}

/// What a state is called.
pub(super) const fn state_name(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Active => "active",
        State::VerifyOnly => "verify-only",
        State::Retired => "retired",
        State::Revoked => "revoked",
    }
}

/// A key, for programs. Its keys are stable.
#[derive(Serialize)]
struct Line<'r> {
    kid: &'r str,
    algorithm: &'static str,
    state: &'static str,
    published: String,
    /// `null` for one that never does.
    signs_from: Option<String>,
    signs_until: Option<String>,
    /// `null` for one that was revoked.
    verifies_until: Option<String>,
    revoked: Option<String>,
    /// Whether its tokens may lack `kid`, `iss` and `aud`.
    legacy: bool,
}

fn lines(keys: &[Entry<'_>]) -> String {
    let mut text = String::new();
    for Entry { key, state, retires } in keys {
        let window = signs(key);
        let line = Line {
            kid: key.kid(),
            algorithm: key.algorithm().as_str(),
            state: state_name(*state),
            published: utc(key.created()),
            signs_from: window.map(|window| utc(window.from)),
            signs_until: window.map(|window| utc(window.until)),
            verifies_until: retires.map(utc),
            revoked: key.revoked().map(utc),
            legacy: key.legacy(),
        };
        text.push_str(&serde_json::to_string(&line).unwrap_or_default());
        text.push('\n');
    }
    text
}

const HEADINGS: [&str; 7] = ["KID", "ALG", "STATE", "PUBLISHED", "SIGNS FROM", "UNTIL", "VERIFIES UNTIL"];

fn table(keys: &[Entry<'_>], now: Timestamp) -> String {
    let when = |at: Timestamp| if at <= now { ago(at, now) } else { ahead(at, now) };
    let rows: Vec<[String; 7]> = keys
        .iter()
        .map(|Entry { key, state, retires }| {
            let window = signs(key);
            let state = if key.legacy() {
                format!("{}, legacy", state_name(*state))
            } else {
                state_name(*state).into()
            };
            [
                printable(&shown(key.kid())),
                key.algorithm().to_string(),
                state,
                // Of a secret nothing is published.
                key.public().map_or_else(|| "-".into(), |_| when(key.created())),
                window.map_or_else(|| "never".into(), |window| when(window.from)),
                window.map_or_else(|| "-".into(), |window| when(window.until)),
                retires.map_or_else(|| "never".into(), when),
            ]
        })
        .collect();
    let widths: Vec<usize> = HEADINGS
        .iter()
        .enumerate()
        .map(|(column, heading)| {
            rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default().max(heading.len())
        })
        .collect();
    let line = |cells: &[String]| {
        let cells: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let mut text = format!("{}\n", paint(BOLD, line(&HEADINGS.map(str::to_owned))));
    for row in &rows {
        let _ = writeln!(text, "{}", line(row));
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use bartizan_core::{
        jwt::Algorithm,
        key_ring::{Import, ImportUse, KeyRingConfig, Material, plan},
    };
    use std::time::Duration;

    pub(in crate::keys) const NOW: Timestamp = Timestamp(1_769_860_800_000);
    const DAY: Duration = Duration::from_hours(24);

    pub(in crate::keys) fn settings() -> Settings {
        Settings::new(&KeyRingConfig::default()).unwrap()
    }

    /// A ring that began 40 days ago, was given the key of a tutorial's app two days ago, and had a standby revoked.
    pub(in crate::keys) fn ring() -> Ring {
        let settings = settings();
        let mut names =
            ["mC6DqdUvW_c5Py1Igksz", "o8vQ0c2rYb1Z9iTnEwLk", "a1b2c3d4e5f6a7b8c9d0", "Zz9y8x7w6v5u4t3s2r1q"]
                .into_iter();
        let mut turn = |ring: Ring, at: Timestamp| {
            let plan = plan(&ring, &settings, at);
            let made: Vec<_> = plan
                .generate
                .iter()
                .map(|_| Material {
                    kid: names.next().unwrap().into(),
                    public: Some("{}".into()),
                    sealed: (*b"sealed").into(),
                })
                .collect();
            ring.apply(&plan, made).unwrap()
        };
        let ring = turn(Ring::default(), NOW.before(29 * DAY));
        let import = Import {
            kid: "tutorial".into(),
            algorithm: Algorithm::Hs256,
            import_use: ImportUse::Verifies { until: NOW.after(12 * DAY) },
            legacy: true,
            public: None,
            sealed: Some((*b"sealed").into()),
        };
        let ring = ring.import(import, &settings, NOW.before(2 * DAY)).unwrap();
        let ring = ring.revoke("o8vQ0c2rYb1Z9iTnEwLk", &settings, NOW.before(DAY)).unwrap();
        turn(ring, NOW.before(DAY))
    }

    #[test]
    fn for_a_person() {
        let (ring, settings) = (ring(), settings());
        let keys = entries(&ring, &settings, NOW);
        insta::assert_snapshot!(anstream::adapter::strip_str(&table(&keys, NOW)).to_string());
    }

    #[test]
    fn for_a_program() {
        let (ring, settings) = (ring(), settings());
        insta::assert_snapshot!(lines(&entries(&ring, &settings, NOW)));
    }
}
