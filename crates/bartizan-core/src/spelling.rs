//! "Did you mean": the known word nearest to one that a person wrote.

use alloc::vec::Vec;
use core::mem;

/// Longer words are not looked up: no name in a policy is this long, and the work grows with the length.
const LONGEST: usize = 64;

/// The word among `known` that `written` is probably meant to be, if one is near enough.
///
/// Letters are compared without case. Near enough is one slip in three letters, and at most three: inserting,
/// leaving out, changing or swapping neighbouring letters (the optimal string alignment distance).
pub(crate) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.is_empty() || written.len() > LONGEST {
        return None;
    }
    let slips = (written.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|word| (distance(written, word), word))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How many slips lie between two words.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().map(|letter| letter.to_ascii_lowercase()).collect();
    // Three rows of the usual table: the one being filled, the one above it, and the one above that (swaps).
    let mut above: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    let mut before = None;
    for (row, letter) in left.chars().map(|letter| letter.to_ascii_lowercase()).enumerate() {
        let mut current = Vec::with_capacity(previous.len());
        let mut last = row + 1;
        current.push(last);
        let mut other_before = None;
        for (column, &other) in right.iter().enumerate() {
            let cell = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
            let mut best = (cell(&previous, column) + usize::from(letter != other))
                .min(cell(&previous, column + 1) + 1)
                .min(last + 1);
            // Swapped with the letter before it, so there is a column before this one.
            if before == Some(other) && other_before == Some(letter) {
                best = best.min(cell(&above, column.saturating_sub(1)) + 1);
            }
            current.push(best);
            last = best;
            other_before = Some(other);
        }
        above = mem::replace(&mut previous, current);
        before = Some(letter);
    }
    previous.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word() {
        let known = ["script-src", "script-src-elem", "style-src", "img-src", "a"];
        for (written, expected) in [
            ("script-src", Some("script-src")),
            ("scirpt-src", Some("script-src")),
            ("script_src", Some("script-src")),
            ("Style-Src", Some("style-src")),
            ("scriptsrcelem", Some("script-src-elem")),
            ("image-src", Some("img-src")),
            ("b", Some("a")),
            ("zzz", None),
            ("something-else", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), expected, "{written}");
        }
    }

    #[test]
    fn words_that_nobody_names_so_are_not_looked_up() {
        let longest = "x".repeat(LONGEST);
        assert_eq!(nearest(&longest, [&*longest]), Some(&*longest));
        let longer = "x".repeat(LONGEST + 1);
        assert_eq!(nearest(&longer, [&*longer]), None);
    }

    #[test]
    fn distances() {
        for (left, right, expected) in
            [("", "", 0), ("", "abc", 3), ("ab", "ba", 1), ("kitten", "sitting", 3), ("ca", "abc", 3)]
        {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }
}
