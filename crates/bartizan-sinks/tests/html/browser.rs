//! In Chromium: the attacks run when they are shown as they are, and do nothing once they are cleaned.

use std::fmt::Write as _;

use bartizan_peers::{Browser, Chromium, StaticSite};
use bartizan_sinks::html::clean;
use serde_json::{Value, json};

use crate::{attacks, generated};

/// How many frames are open at once.
const FRAMES: usize = 24;

/// How many cleaned texts are on one page.
const TEXTS: usize = 40;

/// A page as an application has it, with a stylesheet and a canary that nothing may cover.
const PAGE: &str = include_str!("browser/page.html");

/// What the page with the frames does.
const DRIVER: &str = include_str!("browser/driver.js");

struct Lab {
    browser: Browser,
    site: StaticSite,
    _chromium: Chromium,
}

impl Lab {
    async fn open() -> Option<Self> {
        let chromium = Chromium::start()?;
        let site = StaticSite::start();
        let browser = chromium.browser().await;
        browser.visit(&site.page("/", &format!("<script>{DRIVER}</script>"))).await;
        Some(Self { browser, site, _chromium: chromium })
    }

    /// Puts a page with this content there, and returns its address.
    fn page(&self, path: &str, content: &str) -> String {
        self.site.page(path, &PAGE.replace("CONTENT", content))
    }

    /// Opens pages in frames, does to each what a reader would, and returns what each showed.
    async fn open_frames(&self, urls: &[String], wait: u32, allowed: &Value) -> Vec<Value> {
        let mut shown = Vec::new();
        for urls in urls.chunks(FRAMES) {
            let call = format!("return await openAll({}, {wait}, {allowed})", json!(urls));
            let answer = self.browser.run_async(&call).await;
            shown.extend(answer.as_array().unwrap_or_else(|| panic!("{answer}")).clone());
        }
        shown
    }
}

#[tokio::test]
async fn attacks_do_run_where_they_are_shown_as_they_are() {
    let Some(lab) = Lab::open().await else { return };
    let mut silent = String::new();
    for class in attacks::classes() {
        let works_without_code = matches!(&*class.name, "css" | "dom clobbering");
        let pages = class.runs.iter().enumerate();
        let urls: Vec<_> = pages
            .map(|(index, attack)| {
                lab.page(&format!("/raw/{}/{index}", class.name.replace(' ', "-")), attack)
            })
            .collect();
        let shown = lab.open_frames(&urls, 4_000, &Value::Null).await;
        for (attack, shown) in class.runs.iter().zip(shown) {
            let ran: Vec<_> =
                shown["ran"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let harm = if works_without_code { !ran.is_empty() } else { ran.contains(&"code") };
            if !harm {
                let _ = writeln!(silent, "{}: {attack}", class.name);
            }
        }
        assert!(!class.runs.is_empty(), "no attack of the class {} runs", class.name);
    }
    assert!(silent.is_empty(), "these do not run:\n{silent}");
    lab.browser.close().await;
}

#[tokio::test]
async fn cleaned_attacks_run_nothing_and_leave_nothing_that_could() {
    let Some(lab) = Lab::open().await else { return };
    let mut attacks = attacks::all();
    attacks.extend(generated::attacks(2, 1_500));
    for (name, policy) in attacks::policies() {
        let texts: Vec<_> = attacks.iter().map(|attack| clean(attack, &policy)).collect();
        let pages = texts.chunks(TEXTS).enumerate().map(|(index, texts)| {
            let cases = texts.iter().fold(String::new(), |mut page, html| {
                let _ = write!(page, "<section>{html}</section>");
                page
            });
            lab.page(&format!("/{name}/{index}"), &format!("{cases}<i id=end>{}</i>", texts.len()))
        });
        let urls: Vec<_> = pages.collect();
        let elements: Vec<_> = match name {
            "strip_all" => Vec::new(),
            _ => attacks::ELEMENTS.split_ascii_whitespace().collect(),
        };
        let extra = ["class", "rel", "target"];
        let attributes: Vec<_> = attacks::ATTRIBUTES.split_ascii_whitespace().chain(extra).collect();
        let allowed = json!({
            "elements": elements,
            "attributes": attributes,
            "protocols": ["https:", "http:", "mailto:", "tel:", "ftp:", "sms:"],
        });
        for (page, shown) in lab.open_frames(&urls, 150, &allowed).await.iter().enumerate() {
            let faults = shown["faults"].as_array().expect("a list");
            let told: String = faults.iter().fold(String::new(), |mut told, fault| {
                let at = fault["case"].as_u64().and_then(|at| usize::try_from(at).ok());
                let at = at.map(|at| page * TEXTS + at).filter(|at| *at < attacks.len());
                let (attack, html) = at.map_or(("", ""), |at| (&*attacks[at], texts[at].as_str()));
                let _ = writeln!(told, "{}\n  of {attack:?}\n  cleaned {html:?}", fault["what"]);
                told
            });
            assert!(
                shown["ran"] == json!([]) && faults.is_empty(),
                "{name}, page {page}: {}\n{told}",
                shown["ran"]
            );
        }
    }
    lab.browser.close().await;
}
