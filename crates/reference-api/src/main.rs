//! `reference-api FOLDER [PROFILE] [ADDRESS]`: the reference API by itself, as its tests start and kill it.
//!
//! `bartizan demo` is what people start.

use std::{env, error::Error, io::Write as _, net::SocketAddr, process::ExitCode};

use reference_api::{Opened, ReferenceApi, Settings};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;

const USAGE: &str = "usage: reference-api FOLDER [PROFILE] [ADDRESS]

  FOLDER   where everything is kept; it is made where it is not there
  PROFILE  of the policy: demo, development or production [demo]
  ADDRESS  where it listens [127.0.0.1:8080]
";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let told = match &*arguments {
        [only] if matches!(&**only, "-h" | "--help") => std::io::stdout().write_all(USAGE.as_bytes()),
        [] | [_, _, _, _, ..] => return usage("it takes one to three arguments"),
        [folder, ..] if folder.starts_with('-') => return usage(&format!("there is no option {folder}")),
        given => match run(given).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "reference-api: {error}");
                return ExitCode::FAILURE;
            }
        },
    };
    if told.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage(why: &str) -> ExitCode {
    // Nobody may be there to be told.
    let _ = write!(std::io::stderr(), "reference-api: {why}\n\n{USAGE}");
    ExitCode::from(2)
}

async fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let argument = |index: usize, usual| arguments.get(index).map_or(usual, String::as_str);
    let (folder, profile) = (argument(0, ""), argument(1, "demo"));
    let address = argument(2, "127.0.0.1:8080");
    let address: SocketAddr =
        address.parse().map_err(|error| format!("{address:?}: {error}; write it as 127.0.0.1:8080"))?;

    let listening = TcpListener::bind(address).await;
    let listener = listening.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let address = listener.local_addr()?;
    let mut settings = Settings::new(folder).with_environment();
    if profile != "production" {
        settings = settings.origin(format!("http://{address}"));
    }
    settings.profile = Some(profile.to_owned());
    settings.listen = address;
    let Opened { api, accounts } = ReferenceApi::open(&settings).await?;
    let mut out = std::io::stdout().lock();
    for account in accounts {
        writeln!(out, "{} {}", account.name, account.password.expose_secret())?;
    }
    writeln!(out, "listening on http://{address}")?;
    out.flush()?;
    drop(out);
    api.serve(listener).await?;
    Ok(())
}
