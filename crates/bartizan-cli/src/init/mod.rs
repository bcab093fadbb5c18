//! `bartizan init`: a starter policy, with a comment for every line.

mod fastapi;
mod page;
mod template;

use std::{fmt::Write as _, fs::OpenOptions, io::Write as _, path::Path};

use crate::{
    Outcome,
    arguments::InitArguments,
    failure::Failure,
    init::fastapi::App,
    terminal::{self, BOLD, GOOD, paint},
};

const USUAL_UPSTREAM: &str = "http://127.0.0.1:8000";

/// Writes the policy and says what to do next.
pub(crate) fn run(arguments: &InitArguments) -> Result<Outcome, Failure> {
    let to_output = arguments.output.as_os_str() == "-";
    // Said before the application is asked anything: nothing was done.
    if !to_output && !arguments.force && arguments.output.exists() {
        return Err(Failure::Exists(arguments.output.clone()));
    }
    let app = arguments.fastapi.as_deref().map(App::read).transpose()?;
    let upstream = arguments.upstream.as_deref().or(arguments.fastapi.as_deref()).unwrap_or(USUAL_UPSTREAM);
    let policy = template::policy(upstream, app.as_ref());
    if to_output {
        terminal::print(&policy)?;
    } else {
        write(&arguments.output, &policy, arguments.force)?;
        terminal::print_error(&summary(&arguments.output, upstream, app.as_ref()));
    }
    Ok(Outcome::Fine)
}

fn write(path: &Path, policy: &str, force: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true);
    } else {
        // Also when someone writes the file between our look and now.
        options.create_new(true);
    }
    options.open(path).and_then(|mut file| file.write_all(policy.as_bytes())).map_err(|error| {
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::Exists(path.to_owned()),
            _ => Failure::Write { path: path.to_owned(), error },
        }
    })
}

fn summary(path: &Path, upstream: &str, app: Option<&App>) -> String {
    let mut text = format!("{} {}\n", paint(GOOD, "wrote"), path.display());
    let mut check = "bartizan check".to_owned();
    let mut serve = "bartizan serve".to_owned();
    if path != Path::new("bartizan.toml") {
        let _ = write!(check, " {}", path.display());
        let _ = write!(serve, " --policy {}", path.display());
    }
    if let Some(app) = app {
        for line in app.findings() {
            let _ = writeln!(text, "  {line}");
        }
        let _ = write!(check, " --openapi {}/openapi.json", app.address);
    }
    let _ = write!(
        text,
        "\n{}\n  {check}\n      is the policy right, and what does it leave public?\n  {serve}\n      protect {upstream}, \
         on http://127.0.0.1:8080\n",
        paint(BOLD, "Next:")
    );
    text
}
