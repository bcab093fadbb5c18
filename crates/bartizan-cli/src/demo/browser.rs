//! Opens a page in whatever browser the person uses.

use std::{
    process::{Child, Command, Stdio},
    thread,
};

/// The programs that do so.
#[cfg(target_os = "macos")]
const OPENERS: [&str; 1] = ["open"];
#[cfg(windows)]
const OPENERS: [&str; 1] = ["explorer"];
#[cfg(not(any(target_os = "macos", windows)))]
const OPENERS: [&str; 2] = ["xdg-open", "wslview"];

/// Opens `url`, an address of ours, and tells `failed` why that could not be. It is not waited for: some openers go on for as
/// long as the browser does, and others end with an error once they have looked for one.
pub(super) fn open(url: &str, failed: impl FnOnce(&str) + Send + 'static) {
    let mut children = OPENERS.into_iter().filter_map(|opener| Some((opener, start(opener, url)?)));
    let Some((opener, mut child)) = children.next() else {
        return failed(&format!("there is no {}", OPENERS.join(" and no ")));
    };
    thread::spawn(move || match child.wait() {
        // Explorer ends with 1 where all is well.
        Ok(status) if status.success() || cfg!(windows) => {}
        Ok(status) => failed(&format!("{opener} ended with {status}")),
        Err(error) => failed(&format!("{opener}: {error}")),
    });
}

fn start(opener: &str, url: &str) -> Option<Child> {
    let mut command = Command::new(opener);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
}
