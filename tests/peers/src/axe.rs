//! axe-core, which looks for what keeps people out of a page.

use std::{fs, path::Path};

use crate::{fastapi, install};

/// The script of axe-core, for [`Browser::run`](crate::Browser::run). It defines `axe` in the page.
///
/// `None` where Python, which has it installed, is missing and `CI` is not set; a line on standard error says so.
pub fn axe() -> Option<String> {
    let python = install::or_skip("axe-core", fastapi::virtual_environment())?;
    let environment = python.ancestors().nth(2).expect("the environment that the program is in");
    Some(script(&environment.join("lib")).expect("axe-core in the environment"))
}

/// Finds it below `lib`, in the folder of whichever Python made the environment.
fn script(lib: &Path) -> Option<String> {
    let pythons = fs::read_dir(lib).ok()?;
    let within = |python: fs::DirEntry| python.path().join("site-packages/axe_playwright_python/axe.min.js");
    pythons.flatten().find_map(|python| fs::read_to_string(within(python)).ok())
}
