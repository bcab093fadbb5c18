//! What the log says of requests that passed.

use std::sync::OnceLock;

use bartizan::DENIAL_TARGET;
use bartizan_corpus::Reports;

/// The codes that the denial log has with `mode = "report"`, of all threads.
pub(crate) fn install() -> Reports {
    static REPORTS: OnceLock<Reports> = OnceLock::new();
    let reports = REPORTS.get_or_init(|| {
        let reports = Reports::of(DENIAL_TARGET);
        tracing::subscriber::set_global_default(reports.clone()).unwrap();
        reports
    });
    reports.clone()
}
