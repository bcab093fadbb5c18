//! The codes that a denial log has with `mode = "report"`.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{Event, Metadata, Subscriber, field, span};

/// A subscriber that keeps the codes of the reports logged to one target. Clones share them.
#[derive(Clone, Debug)]
pub struct Reports {
    target: &'static str,
    codes: Arc<Mutex<Vec<String>>>,
}

impl Reports {
    /// Listens to `target`, once it is installed.
    pub fn of(target: &'static str) -> Self {
        Self { target, codes: Arc::default() }
    }

    /// How many there are to take.
    pub fn count(&self) -> usize {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What was reported since the last call.
    pub fn take(&self) -> Vec<String> {
        mem::take(&mut self.codes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Subscriber for Reports {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == self.target
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if fields.mode == "report" {
            self.codes.lock().unwrap_or_else(PoisonError::into_inner).push(fields.code);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Fields {
    code: String,
    mode: String,
}

impl field::Visit for Fields {
    fn record_str(&mut self, field: &field::Field, value: &str) {
        match field.name() {
            "code" => value.clone_into(&mut self.code),
            "mode" => value.clone_into(&mut self.mode),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &field::Field, _: &dyn fmt::Debug) {}
}
