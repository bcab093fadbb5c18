//! `reference-api FOLDER [PROFILE] [ADDRESS]`: the reference API by itself, as its tests start and kill it.
//!
//! `bartizan demo` is what people start.

use std::{env, error::Error, io::Write as _, net::SocketAddr};

use reference_api::{Opened, ReferenceApi, Settings};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let folder = arguments.next().ok_or("usage: reference-api FOLDER [PROFILE] [ADDRESS]")?;
    let profile = arguments.next().unwrap_or_else(|| "demo".to_owned());
    let address: SocketAddr = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned()).parse()?;

    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let mut settings = Settings::new(folder).with_environment();
    if profile != "production" {
        settings = settings.origin(format!("http://{address}"));
    }
    settings.profile = Some(profile);
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
