//! One measured figure, what it is to reach, and the table of them.

use std::fmt::Write as _;

/// A measured figure.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    /// What was measured.
    pub(super) what: String,
    /// The value.
    pub(super) value: f64,
    /// How many digits of it mean something.
    pub(super) decimals: usize,
    /// The most that it may be, if it is to reach anything.
    pub(super) target: Option<f64>,
    /// Whether missing the target fails the command; else it is only reported.
    pub(super) gate: bool,
}

impl Figure {
    /// A figure that stands for comparison.
    pub(super) fn reference(what: impl Into<String>, value: f64, decimals: usize) -> Self {
        Self { what: what.into(), value, decimals, target: None, gate: false }
    }

    /// A figure that is compared with `target`, and does not fail the command.
    pub(super) fn reported(what: impl Into<String>, value: f64, decimals: usize, target: f64) -> Self {
        Self { target: Some(target), ..Self::reference(what, value, decimals) }
    }

    /// A figure that fails the command where it is above `target`.
    pub(super) fn gate(what: impl Into<String>, value: f64, decimals: usize, target: f64) -> Self {
        Self { gate: true, ..Self::reported(what, value, decimals, target) }
    }

    /// Whether it is above its target.
    pub(super) fn misses(&self) -> bool {
        self.target.is_some_and(|target| self.value > target)
    }

    /// Whether it fails the command.
    pub(super) fn fails(&self) -> bool {
        self.gate && self.misses()
    }
}

/// The figures as a Markdown table.
pub(super) fn table(figures: &[Figure]) -> String {
    let mut text = String::from("| what | measured | to reach | |\n|---|---:|---:|---|\n");
    for figure in figures {
        let target =
            figure.target.map_or_else(String::new, |target| format!("≤ {}", number(target, figure.decimals)));
        let verdict = match (figure.target, figure.misses(), figure.gate) {
            (None, ..) => "",
            (Some(_), false, _) => "reached",
            (Some(_), true, true) => "**missed**",
            (Some(_), true, false) => "not reached (no gate)",
        };
        let _ = writeln!(
            text,
            "| {} | {} | {target} | {verdict} |",
            figure.what,
            number(figure.value, figure.decimals)
        );
    }
    text
}

/// With thousands set apart by a space: `12 345.6`.
fn number(value: f64, decimals: usize) -> String {
    let plain = format!("{value:.decimals$}");
    let (whole, fraction) =
        plain.split_once('.').map_or((plain.as_str(), ""), |(whole, fraction)| (whole, fraction));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    if fraction.is_empty() { grouped } else { format!("{grouped}.{fraction}") }
}

/// The middle value; of an even number, the mean of the two in the middle.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.len(), values.get(middle)) {
        (_, None) => None,
        (count, Some(&upper)) if count % 2 == 1 => Some(upper),
        (_, Some(&upper)) => Some(f64::midpoint(*values.get(middle - 1)?, upper)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_was_reached() {
        let gate = |value| Figure::gate("layer", value, 0, 6000.0);
        assert!(!gate(6000.0).fails());
        assert!(gate(6001.0).fails());
        let reported = Figure::reported("gateway", 1.1, 2, 1.05);
        assert!(reported.misses() && !reported.fails());
        let table = table(&[gate(12_345.0), gate(999.0), reported, Figure::reference("nginx", 1234.5, 1)]);
        assert_eq!(
            table.lines().skip(2).collect::<Vec<_>>(),
            [
                "| layer | 12 345 | ≤ 6 000 | **missed** |",
                "| layer | 999 | ≤ 6 000 | reached |",
                "| gateway | 1.10 | ≤ 1.05 | not reached (no gate) |",
                "| nginx | 1 234.5 |  |  |",
            ]
        );
    }

    #[test]
    fn medians() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
