//! What `demo` says at start: where the sites are, who has an account, and what to try.

use std::{
    fmt::{self, Write as _},
    path::Path,
};

use bartizan_core::policy::StoreUrl;
use reference_api::{NewPassword, lab::Addresses};
use secrecy::ExposeSecret as _;

use crate::terminal::{BOLD, DIM, NAME, paint, printable};

/// What is known when it starts.
pub(super) struct Facts<'f> {
    pub(super) addresses: &'f Addresses,
    pub(super) data: &'f Path,
    pub(super) database: &'f str,
    pub(super) store: Option<&'f StoreUrl>,
    pub(super) accounts: &'f [NewPassword],
}

/// The whole text.
pub(super) fn text(facts: &Facts<'_>) -> String {
    let mut text = String::new();
    let _ = write(facts, &mut text);
    text
}

fn write(facts: &Facts<'_>, text: &mut String) -> fmt::Result {
    let Addresses { api, attacker, .. } = facts.addresses;
    writeln!(
        text,
        "{}: an API, and a site that attacks it",
        paint(BOLD, concat!("Bartizan ", env!("CARGO_PKG_VERSION")))
    )?;
    row(text, "lab", &paint(NAME, format_args!("{api}/")))?;
    row(text, "attacker", &format!("{attacker}/, to a browser another site"))?;
    let store = facts.store.map_or_else(|| "SQLite".to_owned(), |url| printable(url.as_str()));
    let kept = if facts.database == store {
        facts.database.to_owned()
    } else {
        format!("{}, state in {store}", facts.database)
    };
    row(text, "data", &format!("{} ({kept})", printable(&facts.data.display().to_string())))?;
    if facts.accounts.is_empty() {
        row(
            text,
            "accounts",
            "of an earlier start, with the passwords that it printed; a new folder makes new ones",
        )?;
    } else {
        row(text, "accounts", "made now, with passwords that are printed this once:")?;
        for account in facts.accounts {
            row(text, "", &format!("{:8} {}", account.name, account.password.expose_secret()))?;
        }
    }
    writeln!(text, "\n{}", paint(BOLD, "Try:"))?;
    writeln!(
        text,
        "  {api}/      {}",
        paint(DIM, "press “Run all attacks”; then switch a control off, and see one succeed")
    )?;
    writeln!(text, "  {api}/docs  {}", paint(DIM, "the API, to read and to call"))?;
    writeln!(text, "  curl -i {api}/profile  {}", paint(DIM, "# nobody has signed in"))?;
    writeln!(
        text,
        "  curl -i -X POST -H 'Origin: {attacker}' {api}/transfer  {}",
        paint(DIM, "# from a foreign page")
    )?;
    writeln!(text, "\nCtrl-C stops it. What follows is the log: what was refused, and by which rule.\n")
}

fn row(text: &mut String, name: &str, value: &str) -> fmt::Result {
    writeln!(text, "  {} {value}", paint(DIM, format_args!("{name:9}")))
}
