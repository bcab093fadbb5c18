//! With its control switched off each attack of the browser succeeds; with it on again it does not.

use bartizan_peers::Chromium;
use fantoccini::Locator;

use crate::instance::{Instance, press, switch};

/// Card, its control, and what the page says when it succeeds.
const CARDS: [(&str, &str, &[&str]); 8] = [
    ("foreign-fetch", "cors", &["It read {\"balance\":", "\"name\":\"alice\""]),
    ("foreign-form", "csrf", &["She had 100 pebbles, and has 75 now."]),
    ("stolen-cookie", "cookies", &["It is lab_login=alice."]),
    ("stored-xss", "csp", &["ran in the victim’s page", "sent the page’s cookies away"]),
    ("reflected-xss", "csp", &["ran in the victim’s page", "sent the page’s cookies away"]),
    ("framing", "headers", &["The attacker’s page shows the bank"]),
    ("sniffing", "headers", &["took the upload for a page", "sent the page’s cookies away"]),
    ("replayed-token", "csrf", &["went through with the used token"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_attack_succeeds_without_its_control_and_is_stopped_with_it_again() {
    let Some(chromium) = Chromium::start() else { return };
    let lab = Instance::start().await;
    let browser = chromium.browser().await;
    browser.visit(&lab.url("/")).await;
    for (card, control, said) in CARDS {
        let before = lab.lab.holdings();
        switch(&browser, card, false).await;
        assert_eq!(lab.off().await, [control], "{card}");
        let outcome = press(&browser, card).await;
        assert_eq!(outcome.outcome, "succeeded", "{card}: {outcome:#?}");
        for said in said {
            assert!(outcome.text.contains(said), "{card} lacks {said}: {outcome:#?}");
        }
        let after = lab.lab.holdings();
        let steals = card.ends_with("-xss") || card == "sniffing";
        assert_eq!(after.loot, before.loot + usize::from(steals), "{card}");
        assert_eq!(after.balance, before.balance - if card == "foreign-form" { 25 } else { 0 }, "{card}");

        switch(&browser, card, true).await;
        assert!(lab.off().await.is_empty(), "{card}");
        let outcome = press(&browser, card).await;
        assert_eq!(outcome.outcome, "stopped", "{card}: {outcome:#?}");
        assert_eq!(lab.lab.holdings(), after, "{card}");
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_claims_the_prize_of_a_page_that_frames_the_bank_sends_money() {
    let Some(chromium) = Chromium::start() else { return };
    let lab = Instance::start().await;
    let browser = chromium.browser().await;
    browser.visit(&lab.url("/")).await;
    switch(&browser, "framing", false).await;
    let outcome = press(&browser, "framing").await;
    assert_eq!(outcome.outcome, "succeeded", "{outcome:#?}");
    let to_frame =
        "document.querySelector('#framing iframe').scrollIntoView({ behavior: 'instant', block: 'center' })";
    browser.run(to_frame).await;
    for frame in ["#framing iframe", ".decoy iframe"] {
        browser.find(Locator::Css(frame)).await.unwrap().enter_frame().await.unwrap();
    }
    browser.find(Locator::Css("button")).await.unwrap().click().await.unwrap();
    browser.until("return document.body.innerText.includes('You have 75 left.')").await;
    assert_eq!(lab.lab.holdings().balance, 75);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banner_says_what_is_off_and_one_button_puts_all_back() {
    let Some(chromium) = Chromium::start() else { return };
    let lab = Instance::start().await;
    let browser = chromium.browser().await;
    browser.visit(&lab.url("/")).await;
    let banner =
        "const banner = document.getElementById('banner'); return banner.hidden ? '' : banner.innerText";
    assert_eq!(browser.run(banner).await, "");
    switch(&browser, "foreign-form", false).await;
    switch(&browser, "stored-xss", false).await;
    // The cards of one control have one switch.
    let other = "return document.querySelector('#reflected-xss .switch').getAttribute('aria-checked')";
    assert_eq!(browser.run(other).await, "false");
    let said = browser.run(banner).await;
    assert!(
        said.as_str().unwrap().starts_with("Off, on this demo only: CSRF, Content-Security-Policy."),
        "{said}"
    );
    // Another visitor, and this one after a reload, is told the same by the server.
    browser.visit(&lab.url("/")).await;
    assert_eq!(browser.run(banner).await, said);
    assert_eq!(lab.off().await, ["csrf", "csp"]);

    let outcome = press(&browser, "foreign-form").await;
    assert_eq!((&*outcome.outcome, lab.lab.holdings().balance), ("succeeded", 75));
    browser.run("document.getElementById('restore').click()").await;
    browser.until("return document.getElementById('banner').hidden").await;
    assert!(lab.off().await.is_empty());
    assert_eq!(lab.lab.holdings().balance, 100);
    assert_eq!(press(&browser, "foreign-form").await.outcome, "stopped");
    browser.close().await;
}
