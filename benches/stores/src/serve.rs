//! The application for whoever is signed in, behind one store, on a port of the loopback address.

use std::{error::Error, net::SocketAddr};

use axum::{ServiceExt, extract::Request};
use bartizan::{Answer, OsClock, OsEntropy};
use bartizan_benches::signed_in::{self, Asks, SUBJECT};
use bartizan_store::Store;
use tokio::net::TcpListener;

/// Begins a session, serves, and says so.
pub(crate) async fn serve(name: &str, store: impl Store, writes: Option<u64>) -> Result<(), Box<dyn Error>> {
    let engine = signed_in::engine(Asks { session: true, token: false });
    let begun = engine.begin_session(SUBJECT, vec!["read".into()], None, OsClock, OsEntropy);
    let begun = begun.ok_or("the policy has no sessions")?;
    if store.answer(begun.query).await != Answer::Done {
        return Err(format!("{name} keeps no session").into());
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = signed_in::behind_sessions(engine, store);
    let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    tokio::spawn(async move { axum::serve(listener, service).await });
    let cookie = begun.cookie.split(';').next();
    println!(
        "{}",
        serde_json::json!({ "store": name, "address": address, "cookie": cookie, "writes": writes })
    );
    Ok(())
}
