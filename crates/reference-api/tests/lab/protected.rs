//! Every attack is stopped, and the page says by what.

use bartizan_peers::{Chromium, HttpRequest};
use reference_api::lab::Holdings;

use crate::instance::{Instance, press};

/// Card, what the page says of the rule, and exchanges that are among those it shows.
const CARDS: [(&str, &[&str], &[&str]); 16] = [
    (
        "foreign-fetch",
        &["isolation.cross-site", "Access-Control-Allow-Origin"],
        &["GET /lab/careless/account 403"],
    ),
    ("foreign-form", &["csrf.cross-site", "100 pebbles, as before"], &["POST /lab/careless/transfer 403"]),
    (
        "stolen-cookie",
        &["set-cookie: lab_login=alice;", "HttpOnly"],
        &["POST /lab/careless/login 200", "GET /lab/careless/account 200"],
    ),
    ("stored-xss", &["content-security-policy: ", "script-src"], &["GET /lab/careless/comments 200"]),
    ("reflected-xss", &["content-security-policy: ", "script-src"], &[]),
    ("framing", &["x-frame-options: DENY", "frame-ancestors 'none'"], &["GET /lab/careless/bank 200"]),
    ("sniffing", &["x-content-type-options: nosniff", "sandbox"], &["GET /lab/careless/upload 200"]),
    (
        "sql-injection",
        &["The search found 0 users", "sqlx::query"],
        &["GET /users?name=%27%20OR%20%271%27%3D%271 200", "GET /users/1%20OR%201%3D1 422"],
    ),
    (
        "command-injection",
        &["bartizan_sinks::command::Hostname"],
        &["GET /ping?host=127.0.0.1%3B%20id 400", "GET /ping?host=%24(id) 400", "GET /ping?host=-f 400"],
    ),
    (
        "path-traversal",
        &[
            "path.encoded-slash",
            "path.backslash",
            "path.encoded-percent",
            "path.control",
            "Behind it, for what the rules let through: the type bartizan_sinks::path::ConfinedDir",
        ],
        &["GET /files/..%2f..%2f..%2fetc%2fpasswd 400"],
    ),
    ("forged-token", &["jwt.signature"], &["GET /users/1 200", "GET /users/1 401"]),
    ("expired-token", &["jwt.expired"], &["GET /users/1 401"]),
    ("unsigned-token", &["jwt.algorithm"], &["GET /users/1 200", "GET /users/1 401"]),
    ("replayed-token", &["csrf.token-used"], &["POST /transfer 200", "POST /transfer 403"]),
    ("guessed-password", &["rate.limited"], &["POST /login 401", "POST /login 429"]),
    ("leaked-key", &["api-key.expired"], &["GET /users/1 200", "GET /users/1 401"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_is_stopped_and_the_page_says_by_what() {
    let Some(chromium) = Chromium::start() else { return };
    let lab = Instance::start().await;
    let browser = chromium.browser().await;
    browser.visit(&lab.url("/")).await;
    for (card, said, exchanges) in CARDS {
        let outcome = press(&browser, card).await;
        assert_eq!(outcome.outcome, "stopped", "{card}: {outcome:#?}");
        for said in said {
            assert!(outcome.text.contains(said), "{card} lacks {said}: {outcome:#?}");
        }
        for exchange in exchanges {
            assert!(
                outcome.exchanges.iter().any(|shown| shown == exchange),
                "{card} lacks {exchange}: {outcome:#?}"
            );
        }
    }
    // Each rule that was named has its text.
    let links = "return [...new Set([...document.querySelectorAll('.rule a')].map((link) => link.href))]";
    let links = browser.run(links).await;
    let links = links.as_array().unwrap();
    assert!(links.len() >= 10, "{links:?}");
    for link in links {
        assert_eq!(HttpRequest::get(link.as_str().unwrap()).send().await.status, 200, "{link}");
    }
    // And it is true: nothing was moved or carried off.
    assert_eq!(lab.lab.holdings(), Holdings { balance: 100, loot: 0 });
    assert!(browser.run("return document.getElementById('tally').textContent").await == "16 of 16 stopped.");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_attacks_run_from_one_button_and_a_second_time() {
    let Some(chromium) = Chromium::start() else { return };
    let lab = Instance::start().await;
    let browser = chromium.browser().await;
    browser.visit(&lab.url("/")).await;
    for _ in 0..2 {
        browser.run("document.getElementById('run-all').click()").await;
        browser
            .until(
                "return document.getElementById('run-all').getAttribute('aria-disabled') === 'false'
                   && document.getElementById('tally').textContent === '16 of 16 stopped.'",
            )
            .await;
    }
    // A CSRF token is there for scripts to read. Its value, which is long, is not shown.
    press(&browser, "replayed-token").await;
    let cookies = press(&browser, "stolen-cookie").await;
    assert!(cookies.text.contains("A script can read __Host-csrf-token."), "{}", cookies.text);
    let overflows = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
    assert_eq!(browser.run(overflows).await, false, "wider than the screen");
    browser.close().await;
}
