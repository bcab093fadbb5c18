//! The sums of a report, and how they are shown.

use std::{borrow::Cow, collections::HashMap, fmt::Write as _};

use serde::{Deserialize, Serialize};

use crate::terminal::{self, BOLD, DIM, NAME, NOTICE, paint};

/// How many different findings are told apart; a scanner can send any number of hosts.
pub(super) const MOST: usize = 10_000;

/// No text of a finding is longer, in characters.
const LONGEST: usize = 256;

/// What a log line of ours has that matters here.
#[derive(Deserialize)]
pub(super) struct Line<'l> {
    #[serde(borrow, default)]
    time: Cow<'l, str>,
    #[serde(borrow)]
    code: Option<Cow<'l, str>>,
    #[serde(borrow)]
    mode: Option<Cow<'l, str>>,
    #[serde(borrow)]
    route: Option<Cow<'l, str>>,
    #[serde(borrow)]
    value: Option<Cow<'l, str>>,
    #[serde(borrow)]
    allow: Option<Cow<'l, str>>,
    #[serde(borrow)]
    method: Option<Cow<'l, str>>,
    #[serde(borrow)]
    path: Option<Cow<'l, str>>,
}

/// All that would have been refused.
#[derive(Default)]
pub(super) struct Findings {
    /// Lines read.
    pub(super) lines: u64,
    /// Lines that are no JSON of ours.
    pub(super) foreign: u64,
    /// Refusals that were real.
    enforced: u64,
    /// Findings beyond [`MOST`] different ones.
    others: u64,
    found: HashMap<Key, Sum>,
}

/// What makes two findings the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
struct Key {
    code: String,
    route: Option<String>,
    value: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Sum {
    count: u64,
    first: String,
    last: String,
    /// The first request: `POST /transfer`.
    example: String,
    allow: Option<String>,
}

impl Findings {
    /// Counts a line.
    pub(super) fn add(&mut self, line: &Line<'_>) {
        let Some(code) = &line.code else { return };
        if line.mode.as_deref() != Some("report") {
            self.enforced += 1;
            return;
        }
        let key = Key {
            code: cut(code),
            route: line.route.as_deref().map(cut),
            value: line.value.as_deref().map(cut),
        };
        let time = cut(&line.time);
        if let Some(sum) = self.found.get_mut(&key) {
            sum.count += 1;
            // Lines of several processes may come in any order; RFC 3339 in UTC sorts as text.
            if time < sum.first {
                sum.first.clone_from(&time);
            }
            if time > sum.last {
                sum.last = time;
            }
        } else if self.found.len() < MOST {
            let example = cut(format!(
                "{} {}",
                line.method.as_deref().unwrap_or("?"),
                line.path.as_deref().unwrap_or("?")
            ));
            let allow = line.allow.as_deref().map(cut);
            self.found.insert(key, Sum { count: 1, first: time.clone(), last: time, example, allow });
        } else {
            self.others += 1;
        }
    }

    /// How many requests would have been refused.
    pub(super) fn total(&self) -> u64 {
        self.found.values().map(|sum| sum.count).sum::<u64>() + self.others
    }

    #[cfg(test)]
    pub(super) fn distinct(&self) -> usize {
        self.found.len()
    }

    /// The most frequent first, then by name.
    fn sorted(&self) -> Vec<(&Key, &Sum)> {
        let mut sorted: Vec<_> = self.found.iter().collect();
        sorted.sort_by(|(key, sum), (other_key, other)| {
            other.count.cmp(&sum.count).then_with(|| key.cmp(other_key))
        });
        sorted
    }

    /// For a person.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let total = self.total();
        if total == 0 {
            writeln!(text, "Mode `report` found nothing to refuse in {}.", lines(self.lines))?;
            if self.lines == self.foreign {
                writeln!(
                    text,
                    "{}",
                    paint(
                        DIM,
                        "None of them is a log line of Bartizan. Its log is JSON where standard output is not a terminal:\n  bartizan serve --log bartizan.jsonl"
                    )
                )?;
            } else {
                writeln!(
                    text,
                    "{}",
                    paint(DIM, "Was a mode set to \"report\"? `bartizan serve` lists the modes at start.")
                )?;
            }
            return Ok(());
        }
        writeln!(
            text,
            "{} would have been refused in mode `enforce`, for {}:",
            paint(BOLD, requests(total)),
            terminal::count(self.found.len(), "reason")
        )?;
        for (key, sum) in self.sorted() {
            write!(text, "\n{:>8}  {}", sum.count, paint(NOTICE, &key.code))?;
            if let Some(value) = &key.value {
                write!(text, "  {value}")?;
            }
            let more = if sum.count > 1 { "such as " } else { "" };
            write!(text, "\n          {more}{}", sum.example)?;
            if let Some(route) = &key.route {
                write!(text, "  {}", paint(DIM, format_args!("(route {route})")))?;
            }
            if sum.first == sum.last {
                write!(text, "\n          {}", paint(DIM, format_args!("at {}", sum.first)))?;
            } else {
                write!(
                    text,
                    "\n          {}",
                    paint(DIM, format_args!("from {} to {}", sum.first, sum.last))
                )?;
            }
            match &sum.allow {
                Some(allow) => writeln!(text, "\n          to allow it: {}", paint(NAME, allow))?,
                None => writeln!(text, "\n          {}", paint(DIM, "no line of a policy allows it"))?,
            }
        }
        if self.others > 0 {
            writeln!(text, "\n{:>8}  for other reasons, more than are told apart here", self.others)?;
        }
        writeln!(
            text,
            "\n{}",
            paint(DIM, format_args!("Each code has a page: docs/denials/CODE.md. {}.", self.read()))
        )
    }

    fn read(&self) -> String {
        let mut read = format!("Read {}", lines(self.lines));
        if self.foreign > 0 {
            let _ = write!(read, ", {} of them not Bartizan's", self.foreign);
        }
        if self.enforced > 0 {
            let were = if self.enforced == 1 { "was" } else { "were" };
            let _ = write!(read, "; {} {were} refused already", requests(self.enforced));
        }
        read
    }

    /// For a program. The keys are stable.
    pub(super) fn json(&self) -> String {
        #[derive(Serialize)]
        struct Finding<'f> {
            #[serde(flatten)]
            key: &'f Key,
            #[serde(flatten)]
            sum: &'f Sum,
        }
        #[derive(Serialize)]
        struct Report<'f> {
            would_refuse: u64,
            findings: Vec<Finding<'f>>,
            others: u64,
            refused: u64,
            lines: u64,
            foreign_lines: u64,
        }
        let report = Report {
            would_refuse: self.total(),
            findings: self.sorted().into_iter().map(|(key, sum)| Finding { key, sum }).collect(),
            others: self.others,
            refused: self.enforced,
            lines: self.lines,
            foreign_lines: self.foreign,
        };
        let mut text = serde_json::to_string_pretty(&report).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// A log may be anybody's: what is shown of it is short and does not drive the terminal.
fn cut(text: impl AsRef<str>) -> String {
    let short: String = text.as_ref().chars().take(LONGEST).collect();
    terminal::printable(&short)
}

fn requests(count: u64) -> String {
    if count == 1 { "1 request".into() } else { format!("{count} requests") }
}

fn lines(count: u64) -> String {
    if count == 1 { "1 line".into() } else { format!("{count} lines") }
}
