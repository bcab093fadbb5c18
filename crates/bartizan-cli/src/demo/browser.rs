//! Opens a page in whatever browser the person uses.

use std::{
    io,
    process::{Command, Stdio},
};

/// The programs that do so.
#[cfg(target_os = "macos")]
const OPENERS: [&str; 1] = ["open"];
#[cfg(windows)]
const OPENERS: [&str; 1] = ["explorer"];
#[cfg(not(any(target_os = "macos", windows)))]
const OPENERS: [&str; 2] = ["xdg-open", "wslview"];

/// Opens `url`, an address of ours. It is not waited for: some of them go on for as long as the browser does.
pub(super) fn open(url: &str) -> io::Result<()> {
    let mut last = io::ErrorKind::NotFound.into();
    for opener in OPENERS {
        let mut command = Command::new(opener);
        match command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}
