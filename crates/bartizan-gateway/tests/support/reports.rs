//! What the log says of requests that passed.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock},
};

use bartizan::DENIAL_TARGET;
use tracing::{Event, Metadata, Subscriber, field, span};

/// The codes that the denial log has with `mode = "report"`, of all threads.
#[derive(Clone, Default)]
pub(crate) struct Reports(Arc<Mutex<Vec<String>>>);

impl Reports {
    pub(crate) fn install() -> Self {
        static REPORTS: OnceLock<Reports> = OnceLock::new();
        let reports = REPORTS.get_or_init(|| {
            let reports = Self::default();
            tracing::subscriber::set_global_default(reports.clone()).unwrap();
            reports
        });
        reports.clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Subscriber for Reports {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == DENIAL_TARGET
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
            self.0.lock().unwrap().push(fields.code);
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
