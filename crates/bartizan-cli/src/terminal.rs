//! Output: colours where a terminal reads them, plain text elsewhere, and a reader that goes away is no panic.

use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};

use crate::failure::Failure;

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const NOTICE: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const NAME: Style = AnsiColor::Cyan.on_default();

/// `text` in `style`; the escapes are removed again on the way out where nobody wants them.
pub(crate) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Writes a finished text to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)
}

/// Writes a finished text to standard error. If that is closed, there is nobody left to tell.
pub(crate) fn print_error(text: &str) {
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// Asks somebody who is there to answer: whoever calls it has seen that standard input is a terminal.
pub(crate) fn agrees(question: &str) -> Result<bool, Failure> {
    print_error(&format!("{question} [y/N] "));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(Failure::Input)?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

/// Whether errors are read on a terminal (then they are drawn), or by something else (then they are lines).
pub(crate) fn errors_are_drawn() -> bool {
    io::stderr().is_terminal()
}

/// Whether standard error shows colours (`NO_COLOR`, `CLICOLOR_FORCE` and `TERM=dumb` have a say).
pub(crate) fn errors_have_colours() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// `1 error`, `2 errors`.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// Replaces control characters, and what turns the direction of a line: what a stranger sent, or a file holds, must
/// neither drive the terminal nor look like something else.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() || is_bidi_control(char) { '\u{fffd}' } else { char })
        .collect()
}

/// Unicode's `Bidi_Control` (UAX #9 §2.1 to §2.6).
const fn is_bidi_control(char: char) -> bool {
    matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_a_stranger_sent_does_not_drive_the_terminal() {
        for (text, shown) in [
            ("änne 😀 \u{5d0}", "änne 😀 \u{5d0}"),
            ("a\u{1b}[2J\r\n\0", "a\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}"),
            ("\u{202e}ecila\u{202c}", "\u{fffd}ecila\u{fffd}"),
            ("\u{2066}\u{200f}\u{61c}", "\u{fffd}\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(printable(text), shown, "{text:?}");
        }
    }
}
