//! Serves the reference API for `cargo xtask bench --only reference`, as `bartizan demo` runs it but for its lab: with its
//! policy over a store, or its router alone.
//!
//! Arguments: a folder, the address to listen on, and `sqlite`, `memory` or `bare`. The session's cookie is in the file
//! `cookie` of the folder before it listens.

use std::{env, error::Error, fs, net::SocketAddr, path::Path, process};

use axum::{body::Body, extract::ConnectInfo};
use bartizan_core::policy::StoreUrl;
use http::{Request, header};
use reference_api::{Opened, ReferenceApi, Settings, StoreSettings};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

/// As the command has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Counted like any other, and never used up: what is measured are requests that are let through.
const ROOMY: &str = r#"{ limit = 60000000, per = "1m", burst = 10000000 }"#;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, address, variant] = &*arguments else {
        return Err("give a folder, an address to listen on, and sqlite, memory or bare".into());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(Path::new(folder), address.parse()?, variant))
}

async fn serve(folder: &Path, address: SocketAddr, variant: &str) -> Result<(), Box<dyn Error>> {
    // Of each start its own: accounts are made, and their passwords told, but once.
    let mut settings =
        Settings::new(folder.join(process::id().to_string())).origin(format!("http://{address}"));
    settings.profile = Some("demo".into());
    settings.listen = address;
    for rule in ["ADDRESS", "PRINCIPAL"] {
        settings.environment.insert(format!("BARTIZAN__RATE_LIMIT__{rule}"), ROOMY.into());
    }
    settings.store = match variant {
        "sqlite" | "bare" => None,
        "memory" => Some(StoreSettings { url: StoreUrl::parse("memory:")?, password: None }),
        other => return Err(format!("{other} is neither sqlite nor memory nor bare").into()),
    };
    let opened = ReferenceApi::open(&settings).await?;
    fs::write(folder.join("cookie"), sign_in(&opened, address).await?)?;
    let listener = TcpListener::bind(address).await?;
    if variant == "bare" {
        let router = opened.api.dangerously_unguarded_router(1, &["read", "write"]);
        return Ok(axum::serve(listener, router).await?);
    }
    Ok(opened.api.serve(listener).await?)
}

/// The cookie of the session that the first of the accounts begins.
async fn sign_in(opened: &Opened, address: SocketAddr) -> Result<String, Box<dyn Error>> {
    let account = opened.accounts.first().ok_or("no account was made")?;
    let body = serde_json::json!({ "username": account.name, "password": account.password.expose_secret() });
    let request = Request::post("/login")
        .header(header::HOST, address.to_string())
        .header(header::ORIGIN, format!("http://{address}"))
        .header(header::CONTENT_TYPE, "application/json")
        .extension(ConnectInfo(address))
        .body(Body::from(body.to_string()))?;
    let response = opened.api.service().oneshot(request).await?;
    let cookie = response.headers().get(header::SET_COOKIE).ok_or("no session began")?.to_str()?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}
