//! "Did you mean": the known word that is nearest to an unknown one.

use alloc::{format, string::String, vec, vec::Vec};
use core::mem;

/// Longer words are compared with nothing: the work is the product of the lengths.
const LONGEST: usize = 64;

/// The candidate that `word` was probably meant to be. Case, and `_` for `-`, count for nothing.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = folded(word);
    // One slip in three letters; in short words one slip.
    let tolerance = (word.len() / 3).max(1);
    candidates
        .into_iter()
        .filter(|_| word.len() <= LONGEST)
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (distance(&word, &folded(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= tolerance && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `` `a`, `b`, `c` ``
pub(super) fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn folded(word: &str) -> Vec<char> {
    word.chars().map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// How many letters must be added, removed, changed or swapped with their neighbour (optimal string alignment).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before_last: Vec<usize> = vec![0; other.len() + 1];
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (row, &a) in one.iter().enumerate() {
        let mut current = Vec::with_capacity(other.len() + 1);
        let mut left = row + 1;
        current.push(left);
        let mut above_left = row;
        for (column, &b) in other.iter().enumerate() {
            let above = last.get(column + 1).copied().unwrap_or(usize::MAX - 1);
            let mut best = (left + 1).min(above + 1).min(above_left + usize::from(a != b));
            let swapped = column.checked_sub(1).and_then(|at| Some((*other.get(at)?, *before_last.get(at)?)));
            if let Some((neighbour, cost)) = swapped
                && previous == Some(b)
                && neighbour == a
            {
                best = best.min(cost + 1);
            }
            above_left = above;
            left = best;
            current.push(best);
        }
        previous = Some(a);
        before_last = mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("match", "mach", 1),
            ("origin", "orgiin", 1),
            ("kitten", "sitting", 3),
            ("ca", "abc", 3),
        ] {
            assert_eq!(distance(&folded(one), &folded(other)), expected, "{one} {other}");
        }
    }

    #[test]
    fn nearest_is_near() {
        const KEYS: [&str; 4] = ["public", "trusted", "max_age", "for"];
        for (word, expected) in [
            ("publik", Some("public")),
            ("pulbic", Some("public")),
            ("Trusted", Some("trusted")),
            ("max-age", Some("max_age")),
            ("fro", Some("for")),
            ("upstream", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, KEYS), expected, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), KEYS), None);
    }
}
