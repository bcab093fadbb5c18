//! A lab on free ports, and what a test does to its page.

use std::{collections::BTreeMap, future::pending};

use bartizan_peers::{Browser, HttpRequest};
use reference_api::{
    Opened, ReferenceApi, Settings,
    lab::{Addresses, Lab},
};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::AbortHandle};

/// A running lab. It ends with its value.
pub(crate) struct Instance {
    pub(crate) lab: Lab,
    pub(crate) addresses: Addresses,
    passwords: BTreeMap<String, String>,
    serving: AbortHandle,
    _folder: TempDir,
}

impl Instance {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let api = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let attacker = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses =
            Addresses::of_ports(api.local_addr().unwrap().port(), attacker.local_addr().unwrap().port());
        let mut settings = Settings::new(folder.path().join("data")).origin(&addresses.api);
        settings.profile = Some("demo".into());
        settings.listen = api.local_addr().unwrap();
        let opened: Opened = ReferenceApi::open(&settings).await.unwrap();
        let secret =
            |account: reference_api::NewPassword| (account.name, account.password.expose_secret().to_owned());
        let passwords = opened.accounts.into_iter().map(secret).collect();
        let lab = Lab::around(&opened.api, addresses.clone()).unwrap();
        let serving = tokio::spawn(lab.clone().serve(api, attacker, pending())).abort_handle();
        Self { lab, addresses, passwords, serving, _folder: folder }
    }

    /// An address of the API.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.addresses.api)
    }

    /// The password that an account got at the first start.
    pub(crate) fn password(&self, name: &str) -> &str {
        &self.passwords[name]
    }

    /// Which controls are off, as the page's server says.
    pub(crate) async fn off(&self) -> Vec<String> {
        let page = HttpRequest::get(&self.url("/")).send().await.text();
        let switches = page.split("data-switch=\"").skip(1);
        let off = switches.filter(|rest| {
            rest.contains("aria-checked=\"false\"") && {
                let (own, _) = rest.split_once("</button>").unwrap_or((rest, ""));
                own.contains("aria-checked=\"false\"")
            }
        });
        let mut names: Vec<String> = Vec::new();
        for name in off.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())) {
            // Two cards of one control have one switch each.
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// How an attack went, as the page says.
#[derive(Debug)]
pub(crate) struct Seen {
    /// `stopped`, `succeeded`, `failed`.
    pub(crate) outcome: String,
    /// What is said of it.
    pub(crate) text: String,
    /// Method, target and status of each exchange.
    pub(crate) exchanges: Vec<String>,
}

/// Presses a card's button and waits for its verdict.
pub(crate) async fn press(browser: &Browser, card: &str) -> Seen {
    browser.run(&format!("document.querySelector('#{card} .run').click()")).await;
    verdict(browser, card).await
}

/// Waits for a card's verdict.
pub(crate) async fn verdict(browser: &Browser, card: &str) -> Seen {
    let found = browser
        .until(&format!(
            "const card = document.getElementById('{card}');
             const verdict = card.querySelector('.verdict');
             if (card.querySelector('.run').getAttribute('aria-disabled') === 'true' || !verdict.dataset.outcome) return false;
             return {{
               outcome: verdict.dataset.outcome,
               text: verdict.innerText,
               exchanges: [...card.querySelectorAll('summary')].map((summary) => summary.innerText.replace(/\\s+/g, ' ').trim()),
             }}"
        ))
        .await;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    let exchanges = found["exchanges"].as_array().map(Vec::as_slice).unwrap_or_default();
    Seen {
        outcome: text("outcome"),
        text: text("text"),
        exchanges: exchanges.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
    }
}

/// Presses a card's switch, and waits until it stands as asked for.
pub(crate) async fn switch(browser: &Browser, card: &str, on: bool) {
    let switch = format!("document.querySelector('#{card} .switch')");
    let checked = browser.run(&format!("return {switch}.getAttribute('aria-checked')")).await;
    assert_eq!(checked, (!on).to_string(), "{card}");
    browser.run(&format!("{switch}.click()")).await;
    browser.until(&format!("return {switch}.getAttribute('aria-checked') === '{on}'")).await;
}
