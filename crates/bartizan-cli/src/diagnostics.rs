//! A policy's faults, shown: drawn with the lines around them on a terminal, one a line elsewhere.

use std::fmt::{self, Write as _};

use bartizan_core::policy::{Diagnostic, Provenance, redacted_source};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use crate::{
    policy::Source,
    terminal::{self, BAD, paint},
};

/// Prints all faults to standard error, with their number.
pub(crate) fn print(source: &Source, faults: &[Diagnostic]) {
    // A table that several routes inherit is compiled for each, and its faults are found each time.
    let mut distinct: Vec<Diagnostic> = Vec::with_capacity(faults.len());
    for fault in faults {
        if !distinct.contains(fault) {
            distinct.push(fault.clone());
        }
    }
    let faults = &distinct;
    let mut text = if terminal::errors_are_drawn() {
        drawn(source, faults, terminal::errors_have_colours())
    } else {
        lines(source, faults)
    };
    let _ = writeln!(
        text,
        "{}: {} in {}",
        paint(BAD, "not a policy"),
        terminal::count(faults.len(), "error"),
        source.name
    );
    terminal::print_error(&text);
}

/// `file:line:column: path: message`, with the value and what to do behind it.
fn lines(source: &Source, faults: &[Diagnostic]) -> String {
    let mut text = String::new();
    for fault in faults {
        text.push_str(&place(&source.name, fault));
        let _ = write!(text, ": {}", Headline(fault));
        if let Some(hint) = &fault.hint {
            let _ = write!(text, "; {hint}");
        }
        let _ = writeln!(text, " [{}]", fault.code);
    }
    text
}

/// Where a fault is: `file:line:column`, or the variable that it came in by.
fn place(name: &str, fault: &Diagnostic) -> String {
    match (&fault.source, &fault.location) {
        (Provenance::Override { variable }, _) => variable.clone(),
        (_, Some(location)) => format!("{name}:{}:{}", location.line, location.column),
        (_, None) => name.to_owned(),
    }
}

/// The path, the message, and the value unless the message shows it.
struct Headline<'f>(&'f Diagnostic);

impl fmt::Display for Headline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { path, message, value, .. } = self.0;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        f.write_str(&terminal::printable(message))?;
        match value {
            Some(value) if !message.contains(value.trim_matches('"')) => {
                write!(f, " (found `{}`)", terminal::printable(value))
            }
            _ => Ok(()),
        }
    }
}

/// As pictures of the file.
fn drawn(source: &Source, faults: &[Diagnostic], colours: bool) -> String {
    let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler =
        GraphicalReportHandler::new_themed(theme).with_width(100).with_context_lines(1).with_links(false);
    // A literal secret must not be shown because another line is wrong.
    let code = NamedSource::new(&source.name, redacted_source(&source.text));
    let mut text = String::new();
    for fault in faults {
        let picture = Picture { fault, code: fault.location.is_some().then_some(&code) };
        // Writing to a String does not fail; a span that the source does not have would be left out.
        let _ = handler.render_report(&mut text, &picture);
        text.push('\n');
    }
    text
}

/// A fault as miette draws it.
#[derive(Debug)]
struct Picture<'f> {
    fault: &'f Diagnostic,
    code: Option<&'f NamedSource<String>>,
}

impl fmt::Display for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Provenance::Override { variable } = &self.fault.source
            && !self.fault.message.contains(variable.as_str())
        {
            write!(f, "{variable}: ")?;
        }
        Headline(self.fault).fmt(f)
    }
}

impl std::error::Error for Picture<'_> {}

impl miette::Diagnostic for Picture<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.fault.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.fault.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let location = self.fault.location?;
        // A span of nothing (the end of the file) still has a place.
        let span = LabeledSpan::new(None, location.offset, location.len);
        Some(Box::new(std::iter::once(span)))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.code.map(|code| code as &dyn SourceCode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::policy::{PolicyInput, load};

    const FAULTY: &str = "version = 1\nmode = \"enforec\"\n\n[origin]\npublik = []\n\n[server.tls]\ncertificate = \"file:///c.pem\"\nkey = \"literal-secret\"\nkeyy = 1\n\n[cors]\nmax_age = \"1 year\"\n";

    fn faults() -> (Source, Vec<Diagnostic>) {
        let source = Source::new("bartizan.toml", FAULTY);
        let overrides = [("BARTIZAN__CSRF__MODE".to_owned(), "\"of\"".to_owned())];
        let input = PolicyInput { text: FAULTY, overrides: &overrides, ..PolicyInput::new("bartizan.toml") };
        let faults = load(&input).unwrap_err();
        (source, faults)
    }

    #[test]
    fn faults_for_a_program() {
        let (source, faults) = faults();
        insta::assert_snapshot!(lines(&source, &faults));
    }

    #[test]
    fn faults_for_a_person() {
        let (source, faults) = faults();
        let drawn = drawn(&source, &faults, false);
        assert!(!drawn.contains("literal-secret"));
        insta::assert_snapshot!(drawn);
    }
}
