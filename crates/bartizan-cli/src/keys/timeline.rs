//! The ring drawn over time: a bar for each key, and what happens next.

use std::fmt::Write as _;

use bartizan_core::{
    Timestamp,
    key_ring::{Event, Happening, Ring, Settings, timeline},
};

use super::{list::Entry, shown};
use crate::{
    terminal::{BOLD, DIM, paint, printable},
    when::{ahead, minute},
};

/// How many columns the bars have.
const WIDTH: u64 = 60;

/// How many events are told.
const NEXT: usize = 5;

/// Draws it. Days are shown in UTC.
pub(super) fn draw(ring: &Ring, keys: &[Entry<'_>], settings: &Settings, now: Timestamp) -> String {
    let mut text = String::new();
    let scale = Scale::of(keys, now);
    let margin = keys.iter().map(|entry| shown(entry.key.kid()).chars().count()).max().unwrap_or_default();
    let now_at = usize::try_from(scale.column(now)).unwrap_or_default();
    let _ = writeln!(text, "{:margin$}  {:now_at$}{}", "", "", paint(BOLD, "▼ now"));
    for entry in keys {
        let bar: String = (0..WIDTH).map(|column| mark(entry, scale.span(column))).collect();
        let _ = writeln!(text, "{:margin$}  {}", printable(&shown(entry.key.kid())), bar.trim_end());
    }
    let (first, last) = (day(scale.from), day(scale.until));
    let gap = usize::try_from(WIDTH).unwrap_or_default().saturating_sub(first.len() + last.len());
    let _ = writeln!(text, "{:margin$}  {first}{:gap$}{last}", "", "");
    let legend = "░ published   █ signs   ▒ verifies only   × revoked";
    let _ = writeln!(text, "{:margin$}  {}", "", paint(DIM, legend));
    let events = timeline(ring, settings);
    let next: Vec<&Event<'_>> = events.iter().filter(|event| event.at > now).take(NEXT).collect();
    if !next.is_empty() {
        let _ = writeln!(text, "\n{}", paint(BOLD, "NEXT"));
    }
    for event in next {
        let what = told(event);
        let _ = writeln!(text, "{:>9}  {}  {what}", ahead(event.at, now), minute(event.at));
    }
    text
}

/// Which time a column stands for.
struct Scale {
    from: Timestamp,
    until: Timestamp,
}

impl Scale {
    /// From the first publication to the last retirement.
    fn of(keys: &[Entry<'_>], now: Timestamp) -> Self {
        let from = keys.iter().map(|entry| entry.key.created()).min().unwrap_or(now).min(now);
        let last = keys.iter().filter_map(|entry| entry.retires).max().unwrap_or(now).max(now);
        // Never empty: time is divided by it.
        Self { from, until: last.max(Timestamp(from.0.saturating_add(WIDTH))) }
    }

    fn length(&self) -> u64 {
        self.until.0.saturating_sub(self.from.0).max(1)
    }

    fn column(&self, at: Timestamp) -> u64 {
        let passed = u128::from(at.0.saturating_sub(self.from.0)) * u128::from(WIDTH);
        u64::try_from(passed / u128::from(self.length())).unwrap_or(WIDTH).min(WIDTH - 1)
    }

    /// The first millisecond of a column, and the first after it.
    fn span(&self, column: u64) -> (Timestamp, Timestamp) {
        let at = |column: u64| {
            let passed = u128::from(self.length()) * u128::from(column) / u128::from(WIDTH);
            Timestamp(self.from.0.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX)))
        };
        (at(column), at(column + 1))
    }
}

/// What a key does in a part of the time: of several things, the one that matters most.
fn mark(entry: &Entry<'_>, (from, until): (Timestamp, Timestamp)) -> char {
    let key = entry.key;
    let meets = |begin: Timestamp, end: Timestamp| begin < until && from < end;
    if let Some(revoked) = key.revoked() {
        if (from..until).contains(&revoked) {
            return '×';
        }
        if revoked < from {
            return ' ';
        }
    }
    let ends = entry.retires.or(key.revoked()).unwrap_or(until);
    let window = key.window();
    if window.is_some_and(|window| meets(window.from.max(key.created()), window.until)) {
        return '█';
    }
    let verifies = window.map_or(key.created(), |window| window.until);
    if meets(verifies, ends) {
        return '▒';
    }
    if window.is_some_and(|window| meets(key.created(), window.from)) { '░' } else { ' ' }
}

fn told(event: &Event<'_>) -> String {
    let kid = event.kid.map(|kid| printable(&shown(kid))).unwrap_or_default();
    match event.what {
        Happening::Published => format!("{kid} is published"),
        Happening::Made => "the next key is made and published".into(),
        Happening::Begins => format!("{kid} begins to sign"),
        Happening::Ends => format!("{kid} signs no more"),
        Happening::Retires => format!("{kid} is retired: nothing that it signed is good any more"),
        Happening::Revoked => format!("{kid} is revoked"),
        _ => format!("{kid} changes"),
    }
}

/// `2026-01-31`
fn day(time: Timestamp) -> String {
    minute(time).chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::list::{
        entries,
        tests::{NOW, ring, settings},
    };

    #[test]
    fn each_key_has_a_bar_and_now_is_marked() {
        let (ring, settings) = (ring(), settings());
        let drawn = draw(&ring, &entries(&ring, &settings, NOW), &settings, NOW);
        insta::assert_snapshot!(anstream::adapter::strip_str(&drawn).to_string());
    }

    #[test]
    fn an_empty_ring_is_drawn_without_bars() {
        let (ring, settings) = (Ring::default(), settings());
        let drawn = draw(&ring, &[], &settings, NOW);
        assert_eq!(drawn.lines().count(), 3, "{drawn}");
    }
}
