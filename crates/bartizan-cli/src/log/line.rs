//! What a log line says, as JSON and for a reader.

use std::fmt::{self, Write as _};

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;
use tracing::{
    Event, Level,
    field::{Field, Visit},
};
use tracing_subscriber::fmt::{
    format::Writer,
    time::{FormatTime as _, SystemTime},
};

use crate::terminal::{self, BAD, BOLD, DIM, GOOD, NAME, NOTICE, paint};

/// No value of a log line is longer, in characters.
const LONGEST: usize = 1024;

/// An event, taken apart.
pub(super) struct Record {
    time: String,
    level: Level,
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Record {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut record = Self {
            time: now(),
            level: *event.metadata().level(),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut record);
        record
    }

    /// A JSON object and a line feed: `time`, `level`, `message`, then the event's own fields.
    pub(super) fn json(&self) -> String {
        // Strings and numbers under unequal names: there is nothing that JSON could not say.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    /// A line for a reader, with colours.
    pub(super) fn human(&self) -> String {
        let mut line = paint(DIM, self.time.get(11..19).unwrap_or(&self.time));
        let _ = match (self.text("code"), self.number("status")) {
            (Some(code), _) => self.refusal(&mut line, code),
            (None, Some(status)) => self.answer(&mut line, status),
            (None, None) => self.other(&mut line),
        };
        line.push('\n');
        line
    }

    /// `12:00:00 refused  csrf.cross-site  POST /transfer  from 127.0.0.1  (https://evil.example)  id …`, and the
    /// policy line that would allow it below.
    fn refusal(&self, line: &mut String, code: &str) -> fmt::Result {
        let reported = self.text("mode") == Some("report");
        match (reported, self.number("status")) {
            (true, _) => write!(line, "  {}", paint(NOTICE, "would refuse"))?,
            (false, Some(status @ 500..)) => {
                write!(line, "  {}", paint(BAD, format_args!("failed {status}")))?;
            }
            (false, Some(status)) => write!(line, "  {}", paint(BAD, format_args!("refused {status}")))?,
            (false, None) => write!(line, "  {}", paint(BAD, "refused"))?,
        }
        write!(line, "  {}", paint(BOLD, code))?;
        if let (Some(method), Some(path)) = (self.text("method"), self.text("path")) {
            write!(line, "  {method} {path}")?;
        }
        for (name, before) in [("client_ip", "from "), ("value", ""), ("request_id", "id ")] {
            if let Some(text) = self.text(name) {
                write!(line, "  {}", paint(DIM, format_args!("{before}{text}")))?;
            }
        }
        if let Some(allow) = self.text("allow") {
            write!(line, "\n          {} {}", paint(DIM, "to allow it:"), paint(NAME, allow))?;
        }
        Ok(())
    }

    /// `12:00:00  200  GET /profile  from 127.0.0.1`, of the access log.
    fn answer(&self, line: &mut String, status: u64) -> fmt::Result {
        let style = if status < 400 { GOOD } else { NOTICE };
        write!(line, "  {}", paint(style, status))?;
        if let (Some(method), Some(path)) = (self.text("method"), self.text("path")) {
            write!(line, "  {method} {path}")?;
        }
        match self.text("client_ip") {
            Some(client) => write!(line, "  {}", paint(DIM, format_args!("from {client}"))),
            None => Ok(()),
        }
    }

    fn other(&self, line: &mut String) -> fmt::Result {
        let level = match self.level {
            Level::ERROR => paint(BAD, "error"),
            Level::WARN => paint(NOTICE, "warning"),
            _ => paint(DIM, "info"),
        };
        write!(line, "  {level}  {}", self.message)?;
        for (name, value) in &self.fields {
            match value {
                Value::String(text) => write!(line, "  {}", paint(DIM, format_args!("{name}={text}")))?,
                value => write!(line, "  {}", paint(DIM, format_args!("{name}={value}")))?,
            }
        }
        Ok(())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.field(name)?.as_str()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.as_u64()
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    fn keep(&mut self, field: &Field, value: Value) {
        if field.name() == "message" {
            value.as_str().unwrap_or_default().clone_into(&mut self.message);
        } else {
            self.fields.push((field.name(), value));
        }
    }
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        // A line is one line, and does not drive a terminal, whatever a stranger sent.
        let mut text = terminal::printable(value);
        // Queries carry secrets; whoever logs a path leaves it out, and so do we once more.
        if field.name() == "path"
            && let Some(query) = text.find('?')
        {
            text.truncate(query);
        }
        if let Some((end, _)) = text.char_indices().nth(LONGEST) {
            text.truncate(end);
        }
        self.keep(field, Value::String(text));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value.into());
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", &self.time)?;
        map.serialize_entry("level", &self.level.as_str().to_ascii_lowercase())?;
        map.serialize_entry("message", &self.message)?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The line that says how many others are missing.
pub(super) fn lost(lines: u64, human: bool) -> String {
    let record = Record {
        time: now(),
        level: Level::WARN,
        message: "log lines were lost: the log is written more slowly than it grows".into(),
        fields: vec![("lines", lines.into())],
    };
    if human { record.human() } else { record.json() }
}

/// Now, in UTC: `2026-01-31T12:00:00.000000Z`.
fn now() -> String {
    let mut time = String::new();
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    time
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(mode: &str) -> Record {
        let text = |text: &str| Value::String(text.into());
        Record {
            time: "2026-01-31T12:00:00.000000Z".into(),
            level: Level::WARN,
            message: "refused".into(),
            fields: vec![
                ("code", text("csrf.cross-site")),
                ("status", 403.into()),
                ("method", text("POST")),
                ("path", text("/transfer")),
                ("client_ip", text("203.0.113.9")),
                ("value", text("https://evil.example")),
                ("allow", text("[origin] trusted = [\"https://evil.example\"]")),
                ("mode", text(mode)),
            ],
        }
    }

    #[test]
    fn a_denial_as_json() {
        insta::assert_snapshot!(denial("enforce").json(), @r#"{"time":"2026-01-31T12:00:00.000000Z","level":"warn","message":"refused","code":"csrf.cross-site","status":403,"method":"POST","path":"/transfer","client_ip":"203.0.113.9","value":"https://evil.example","allow":"[origin] trusted = [\"https://evil.example\"]","mode":"enforce"}"#);
    }

    #[test]
    fn a_denial_for_a_reader() {
        let plain = |text: &str| anstream::adapter::strip_str(text).to_string();
        insta::assert_snapshot!(plain(&denial("enforce").human()), @r#"
        12:00:00  refused 403  csrf.cross-site  POST /transfer  from 203.0.113.9  https://evil.example
                  to allow it: [origin] trusted = ["https://evil.example"]
        "#);
        assert!(plain(&denial("report").human()).contains("would refuse  csrf.cross-site"));
    }

    /// A subscriber that hands each event to a test.
    struct Catch(std::sync::Mutex<Vec<String>>);

    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for &'static Catch {
        fn on_event(&self, event: &Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            self.0.lock().unwrap().push(Record::of(event).json());
        }
    }

    #[test]
    fn what_a_stranger_sends_stays_in_its_field() {
        use tracing_subscriber::layer::SubscriberExt as _;
        let catch: &'static Catch = Box::leak(Box::new(Catch(std::sync::Mutex::default())));
        let subscriber = tracing_subscriber::Registry::default().with(catch);
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(path = "/a?token=s3cret", value = "a\u{1b}[31m\nb", long = %"x".repeat(5000), "refused");
        });
        let lines = catch.0.lock().unwrap();
        assert_eq!(lines.len(), 1);
        let line = &lines[0];
        assert!(
            !line.contains("s3cret") && !line.contains('\u{1b}') && line.matches('\n').count() == 1,
            "{line}"
        );
        assert!(line.len() < 1400, "{}", line.len());
    }
}
