//! Text of the files that stands for bytes.

use std::fmt::Write as _;

/// The bytes that `text` stands for, with `{x*N}` written out.
pub(crate) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some((filler, after)) = repetition(rest)? {
            out.extend(filler);
            rest = after;
            continue;
        }
        out.push(
            u8::try_from(u32::from(character)).map_err(|_| {
                format!("`{character}` is not Latin-1; write its bytes, such as \\u00c3\\u00a9")
            })?,
        );
        rest = &rest[character.len_utf8()..];
    }
    Ok(out)
}

/// What `{x*N}` at the start of `text` stands for, and what follows it.
fn repetition(text: &str) -> Result<Option<(Vec<u8>, &str)>, String> {
    let Some((inside, after)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
        return Ok(None);
    };
    let Some((unit, count)) = inside.rsplit_once('*') else { return Ok(None) };
    let Ok(count) = count.parse::<usize>() else { return Ok(None) };
    if count > 1 << 20 {
        return Err(format!("`{{{inside}}}` is longer than a case should be"));
    }
    Ok(Some((bytes(unit)?.repeat(count), after)))
}

/// Bytes as text for a message: Latin-1, control characters escaped, cut after 300 characters.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let mut out = String::new();
    for &byte in bytes.iter().take(300) {
        match byte {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            0..0x20 | 0x7f => {
                let _ = write!(out, "\\x{byte:02x}");
            }
            _ => out.push(char::from(byte)),
        }
    }
    if bytes.len() > 300 {
        let _ = write!(out, "… ({} bytes)", bytes.len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_latin_1_with_repetitions() {
        assert_eq!(bytes("a\u{ff}").unwrap(), b"a\xff");
        assert_eq!(bytes("x={ab*3};").unwrap(), b"x=ababab;");
        assert_eq!(bytes("{}{a}{a*b}").unwrap(), b"{}{a}{a*b}");
        assert!(bytes("\u{20ac}").is_err());
        assert!(bytes("{a*99999999}").is_err());
    }
}
