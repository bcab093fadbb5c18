//! Running all cases of a surface.

use std::{
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
};

use bartizan_core::Clock;

use crate::{Case, Corpus, Observed, Surface};

impl Corpus {
    /// Sends every case that `surface` can see with `send`, and says all differences of all cases, or how many
    /// cases there were. An `Err` of `send` is a difference too: the policy does not build, the socket failed.
    ///
    /// The CSRF tokens that a case names are as old as it says by `clock`, which must be the surface's.
    ///
    /// `BARTIZAN_CORPUS=csrf.toml` or any part of a file's or case's name picks the cases that have it.
    pub fn check(
        &self,
        surface: Surface,
        clock: impl Clock + Copy,
        mut send: impl FnMut(&Case) -> Result<Observed, String>,
    ) -> Result<usize, String> {
        let picked = std::env::var("BARTIZAN_CORPUS").unwrap_or_default();
        let (mut count, mut failed, mut report) = (0, 0, String::new());
        for case in self.cases(surface) {
            if !case.file.contains(&picked) && !case.name.contains(&picked) {
                continue;
            }
            count += 1;
            let case = &case.with_tokens(clock.now());
            let differences = match catch_unwind(AssertUnwindSafe(|| send(case))) {
                Ok(Ok(observed)) => case.expect.differences(&observed),
                Ok(Err(error)) => vec![error],
                Err(_) => vec!["panicked".into()],
            };
            if !differences.is_empty() {
                failed += 1;
                let _ = writeln!(report, "  {}: `{}`", case.file, case.name);
                for difference in differences {
                    let _ = writeln!(report, "    - {difference}");
                }
            }
        }
        if failed == 0 { Ok(count) } else { Err(format!("{failed} of {count} cases differ:\n{report}")) }
    }
}
