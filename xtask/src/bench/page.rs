//! Puts the measured tables into docs/performance.md, each between two marks.

use std::{fs, path::Path};

use crate::failure::Failure;

const PAGE: &str = "docs/performance.md";

/// Replaces what stands between the marks of `part` by `table`.
pub(super) fn write(root: &Path, part: &str, table: &str) -> Result<(), Failure> {
    let path = root.join(PAGE);
    let text = fs::read_to_string(&path).map_err(Failure::file(&path))?;
    let replaced = replace(&text, part, table)
        .ok_or_else(|| Failure::Unmet(format!("{PAGE} has no marks for the figures of `{part}`")))?;
    fs::write(&path, replaced).map_err(Failure::file(&path))?;
    println!("\n{PAGE} written: {part}");
    Ok(())
}

fn replace(text: &str, part: &str, table: &str) -> Option<String> {
    let begin = format!("<!-- figures of {part}: written by `cargo xtask bench --write` -->\n");
    let end = format!("<!-- end of {part} -->\n");
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{table}\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_of_a_part_is_replaced() {
        let page = |layer: &str, gateway: &str| {
            let part = |part: &str, table: &str| {
                format!(
                    "<!-- figures of {part}: written by `cargo xtask bench --write` -->\n\n{table}\n\n<!-- end of {part} -->\n"
                )
            };
            format!("# Performance\n\n{}\n{}\nMethod.\n", part("layer", layer), part("gateway", gateway))
        };
        let old = page("| old |", "| old |");
        assert_eq!(replace(&old, "layer", "| new |\n"), Some(page("| new |", "| old |")));
        assert_eq!(replace(&old, "gateway", "| new |\n"), Some(page("| old |", "| new |")));
        assert_eq!(replace(&old, "sessions", "| new |\n"), None);
    }
}
