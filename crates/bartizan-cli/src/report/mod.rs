//! `bartizan report`: what mode `report` would have refused, summed up from the log.

mod findings;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal as _, Read as _},
};

use crate::{
    Outcome,
    arguments::ReportArguments,
    failure::Failure,
    report::findings::{Findings, Line},
    terminal,
};

/// A log line of ours is far shorter; what is longer is somebody else's.
const LONGEST_LINE: u64 = 64 << 10;

/// Reads the log and prints the sums.
pub(crate) fn run(arguments: &ReportArguments) -> Result<Outcome, Failure> {
    let path = &arguments.log;
    let read = |error| Failure::Read { path: path.clone(), error };
    let findings = if path.as_os_str() == "-" {
        if io::stdin().is_terminal() {
            terminal::print_error("reading the log from standard input; end it with Ctrl-D\n");
        }
        sum_up(io::stdin().lock()).map_err(read)?
    } else {
        sum_up(BufReader::new(File::open(path).map_err(read)?)).map_err(read)?
    };
    terminal::print(&if arguments.json { findings.json() } else { findings.text() })?;
    Ok(Outcome::Fine)
}

fn sum_up(mut log: impl BufRead) -> io::Result<Findings> {
    let mut findings = Findings::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = log.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(findings);
        }
        let complete = line.last() == Some(&b'\n') || (read as u64) < LONGEST_LINE;
        if !complete {
            skip_line(&mut log)?;
        }
        findings.lines += 1;
        match complete.then(|| parse(&line)).flatten() {
            Some(line) => findings.add(&line),
            None => findings.foreign += 1,
        }
    }
}

/// Reads to the end of the line without keeping it.
fn skip_line(log: &mut impl BufRead) -> io::Result<()> {
    loop {
        let available = log.fill_buf()?;
        let end = available.iter().position(|&byte| byte == b'\n');
        let used = end.map_or(available.len(), |end| end + 1);
        if used == 0 {
            return Ok(());
        }
        log.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

/// A line of ours, bare or behind what a container runtime or syslog wrote before it.
fn parse(line: &[u8]) -> Option<Line<'_>> {
    let begin = line.iter().position(|&byte| byte == b'{')?;
    serde_json::from_slice(line.get(begin..)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: &str, value: &str, time: &str, mode: &str) -> String {
        format!(
            r#"{{"time":"{time}","level":"info","message":"x","code":"{code}","method":"POST","path":"/transfer","route":"* /**","value":"{value}","allow":"[origin] trusted = [\"{value}\"]","mode":"{mode}"}}"#
        )
    }

    #[test]
    fn a_log_is_summed_up() {
        let log = [
            "not json".into(),
            r#"{"time":"x","message":"listening"}"#.into(),
            finding("csrf.origin", "https://b.example", "2026-01-02T00:00:00Z", "report"),
            format!(
                "2026-01-01T00:00:00Z stdout F {}",
                finding("csrf.origin", "https://a.example", "2026-01-01T00:00:00Z", "report")
            ),
            finding("csrf.origin", "https://a.example", "2026-01-03T00:00:00Z", "report"),
            finding("csrf.origin", "https://a.example", "2026-01-03T00:00:00Z", "enforce"),
            format!("{{\"code\":\"{}\"}}", "x".repeat(100_000)),
        ]
        .join("\n");
        let findings = sum_up(log.as_bytes()).unwrap();
        insta::assert_snapshot!(anstream::adapter::strip_str(&findings.text()).to_string());
        insta::assert_snapshot!(findings.json());
    }

    #[test]
    fn an_empty_log_says_what_is_missing() {
        insta::assert_snapshot!(anstream::adapter::strip_str(&sum_up(&b""[..]).unwrap().text()).to_string());
    }

    #[test]
    fn a_flood_of_values_does_not_fill_the_memory() {
        let mut findings = Findings::default();
        for index in 0..20_000 {
            let line = finding("host.unknown", &format!("{index}.example"), "2026-01-01T00:00:00Z", "report");
            findings.add(&parse(line.as_bytes()).unwrap());
        }
        assert_eq!(findings.distinct(), findings::MOST);
        assert_eq!(findings.total(), 20_000);
    }
}
