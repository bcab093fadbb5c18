//! Puts the measured tables into docs/performance.md, between two marks.

use std::{fs, path::Path};

use crate::failure::Failure;

const PAGE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- figures: written by `cargo xtask bench --write` -->\n";
const END: &str = "<!-- end of figures -->\n";

/// Replaces what stands between the marks by `table`.
pub(super) fn write(root: &Path, table: &str) -> Result<(), Failure> {
    let path = root.join(PAGE);
    let text = fs::read_to_string(&path).map_err(Failure::file(&path))?;
    let replaced = replace(&text, table)
        .ok_or_else(|| Failure::Unmet(format!("{PAGE} has no marks for the figures")))?;
    fs::write(&path, replaced).map_err(Failure::file(&path))?;
    println!("\n{PAGE} written");
    Ok(())
}

fn replace(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = format!("# Performance\n\n{BEGIN}\n| old |\n\n{END}\nMethod.\n");
        let expected = format!("# Performance\n\n{BEGIN}\n| new |\n\n{END}\nMethod.\n");
        assert_eq!(replace(&page, "| new |\n"), Some(expected.clone()));
        assert_eq!(replace(&expected, "| new |\n"), Some(expected));
        assert_eq!(replace("# Performance\n", "| new |\n"), None);
    }
}
