//! An explanation for a reader.

use std::fmt::{self, Write as _};

use crate::{
    explain::{Edited, Explanation, Granted, Refusal},
    terminal::{self, BAD, BOLD, DIM, GOOD, NAME, NOTICE, paint},
};

/// The whole text.
pub(super) fn render(explanation: &Explanation) -> String {
    let mut text = String::new();
    let _ = write(explanation, &mut text);
    text
}

fn write(explanation: &Explanation, text: &mut String) -> fmt::Result {
    headline(explanation, text)?;
    controls(explanation, text)?;
    if let Some(denial) = &explanation.denial {
        refusal(denial, text)?;
    }
    if let Some(grant) = &explanation.grant {
        granted(grant, text)?;
    }
    if let (Some(reply), None) = (&explanation.reply, &explanation.denial) {
        section(text, "The answer")?;
        writeln!(text, "  status {}", reply.status)?;
        headers(text, &reply.headers)?;
    }
    supplied(explanation, text)?;
    policy(explanation, text)
}

fn headline(explanation: &Explanation, text: &mut String) -> fmt::Result {
    let asked = &explanation.request;
    let request = terminal::printable(&format!("{} {}", asked.method, asked.target));
    let outcome = match (&explanation.denial, &explanation.reply) {
        (Some(denial), _) => paint(BAD, format_args!("refused with {} {}", denial.status, denial.code)),
        (None, Some(reply)) => paint(NOTICE, format_args!("answered by Bartizan with {}", reply.status)),
        (None, None) => paint(GOOD, "allowed"),
    };
    writeln!(text, "{} is {outcome}", paint(BOLD, request))?;
    match &explanation.denial {
        Some(denial) => writeln!(text, "{}", denial.title),
        None => Ok(()),
    }
}

fn controls(explanation: &Explanation, text: &mut String) -> fmt::Result {
    section(text, "What each control found")?;
    let width = explanation.controls.iter().map(|control| control.name.len()).max().unwrap_or_default();
    for control in &explanation.controls {
        let style = match control.verdict {
            "refuse" => BAD,
            "report" | "answer" => NOTICE,
            "pass" => GOOD,
            _ => DIM,
        };
        writeln!(
            text,
            "{} {:width$}  {}  {}",
            if control.decides { paint(BOLD, ">") } else { " ".into() },
            control.name,
            paint(style, format_args!("{:6}", control.verdict)),
            control.why,
        )?;
    }
    Ok(())
}

fn refusal(denial: &Refusal, text: &mut String) -> fmt::Result {
    writeln!(text)?;
    if let Some(value) = &denial.value {
        row(text, "at fault", value)?;
    }
    match &denial.allow {
        Some(allow) => row(text, "to allow it", &paint(NAME, allow))?,
        None => row(text, "to allow it", "no line of a policy does")?,
    }
    row(text, "read more", &denial.docs)
}

fn granted(grant: &Granted, text: &mut String) -> fmt::Result {
    writeln!(text)?;
    row(text, "body", &format!("at most {}", bytes(grant.max_body)))?;
    if let Some(ip) = &grant.client_ip {
        row(text, "client", &format!("{ip}, over {}", grant.client_scheme))?;
    }
    if grant.websocket {
        row(text, "websocket", "a tunnel, once the application agrees to it")?;
    }
    for report in &grant.reports {
        would_refuse(text, report)?;
    }
    edited(text, "a response with JSON", &grant.api)?;
    edited(text, "a page", &grant.page)
}

fn edited(text: &mut String, what: &str, edited: &Edited) -> fmt::Result {
    if let Some(denial) = &edited.refused {
        section(text, &format!("If the application answers with {what}"))?;
        let instead = format_args!("{} {} goes out instead", denial.status, denial.code);
        writeln!(text, "  {}: {}", paint(BAD, instead), denial.title)?;
        return match &denial.allow {
            Some(allow) => row(text, "to allow it", &paint(NAME, allow)),
            None => Ok(()),
        };
    }
    section(text, &format!("Headers added to {what}"))?;
    headers(text, &edited.headers)?;
    match &edited.would_refuse {
        Some(report) => would_refuse(text, report),
        None => Ok(()),
    }
}

/// What mode `report` lets pass.
fn would_refuse(text: &mut String, report: &Refusal) -> fmt::Result {
    let Refusal { status, code, title, .. } = report;
    row(text, "would refuse", &paint(NOTICE, format_args!("{status} {code} in mode `enforce`: {title}")))?;
    match &report.allow {
        Some(allow) => row(text, "to allow it", &paint(NAME, allow)),
        None => Ok(()),
    }
}

fn supplied(explanation: &Explanation, text: &mut String) -> fmt::Result {
    if explanation.request.supplied.is_empty() {
        return Ok(());
    }
    section(text, "Supplied, since you did not say")?;
    for supplied in &explanation.request.supplied {
        writeln!(
            text,
            "  {}: {}  {}",
            supplied.what,
            supplied.value,
            paint(DIM, format_args!("({})", supplied.because))
        )?;
    }
    Ok(())
}

fn policy(explanation: &Explanation, text: &mut String) -> fmt::Result {
    let Some(policy) = &explanation.policy else { return Ok(()) };
    let profile = match &policy.profile {
        Some(profile) => format!("with profile {profile}"),
        None => "for production".into(),
    };
    let Some(file) = &policy.file else {
        section(text, "Policy")?;
        return writeln!(
            text,
            "  the built-in defaults, {profile}; `bartizan init` writes a file to change them"
        );
    };
    section(text, &format!("Policy: {file}, {profile}"))?;
    if explanation.values.is_empty() {
        return writeln!(text, "  {}", paint(DIM, "nothing in it had a say here: defaults hold"));
    }
    let width =
        |of: fn(&super::Value) -> usize| explanation.values.iter().map(of).max().unwrap_or_default().min(60);
    let (paths, values) = (width(|value| value.path.len()), width(|value| value.written.len()));
    for value in &explanation.values {
        writeln!(
            text,
            "  {:paths$} = {:values$}  {}",
            value.path,
            terminal::printable(&value.written),
            paint(DIM, &value.from)
        )?;
    }
    Ok(())
}

fn section(text: &mut String, title: &str) -> fmt::Result {
    writeln!(text, "\n{}", paint(BOLD, title))
}

fn row(text: &mut String, name: &str, value: &str) -> fmt::Result {
    writeln!(text, "  {} {value}", paint(DIM, format_args!("{name:12}")))
}

fn headers(text: &mut String, headers: &[(&'static str, String)]) -> fmt::Result {
    if headers.is_empty() {
        return writeln!(text, "  {}", paint(DIM, "none"));
    }
    for (name, value) in headers {
        writeln!(text, "  {}: {value}", paint(NAME, name))?;
    }
    Ok(())
}

fn bytes(bytes: u64) -> String {
    for (unit, size) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= size && bytes.is_multiple_of(size) {
            return format!("{} {unit}", bytes / size);
        }
    }
    format!("{bytes} bytes")
}
