//! The page without a mouse.

use bartizan_peers::{Browser, Chromium};
use fantoccini::{
    actions::{InputSource as _, KeyAction, KeyActions},
    key::Key,
};

use crate::instance::{Instance, verdict};

/// Presses one key, wherever the focus is.
async fn key(browser: &Browser, key: Key) {
    let value = key.into();
    let keys =
        KeyActions::new("keyboard".to_owned()).then(KeyAction::Down { value }).then(KeyAction::Up { value });
    browser.perform_actions(keys).await.unwrap();
}

/// Presses Tab until the focus is on what `selector` names; every stop on the way must be visible and show its focus.
async fn tab_to(browser: &Browser, selector: &str) {
    for _ in 0..30 {
        key(browser, Key::Tab).await;
        let found = browser
            .run(&format!(
                "const focused = document.activeElement;
                 const {{ outlineStyle, outlineWidth }} = getComputedStyle(focused);
                 return {{
                   is: focused.matches('{selector}'),
                   shown: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 && focused.getClientRects().length > 0,
                   what: focused.outerHTML.slice(0, 120),
                 }}"
            ))
            .await;
        assert_eq!(found["shown"], true, "the focus cannot be seen: {found}");
        if found["is"] == true {
            return;
        }
    }
    panic!("Tab does not lead to {selector}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_run_switched_and_looked_at_by_keys_alone() {
    let Some(chromium) = Chromium::start() else { return };
    let lab = Instance::start().await;
    let browser = chromium.browser().await;
    browser.visit(&lab.url("/")).await;
    // The first stop leads past the head.
    tab_to(&browser, ".skip").await;
    tab_to(&browser, "#run-all").await;
    tab_to(&browser, "#foreign-fetch .run").await;
    tab_to(&browser, "#foreign-fetch .switch").await;
    tab_to(&browser, "#foreign-form .run").await;
    key(&browser, Key::Enter).await;
    assert_eq!(verdict(&browser, "foreign-form").await.outcome, "stopped");
    // The result is told to who cannot see it, and the focus has stayed.
    let told = "return document.querySelector('#foreign-form .verdict').getAttribute('role')";
    assert_eq!(browser.run(told).await, "status");
    let focused = "return document.activeElement.closest('.card')?.id ?? document.activeElement.tagName";
    assert_eq!(browser.run(focused).await, "foreign-form");

    tab_to(&browser, "#foreign-form .switch").await;
    key(&browser, Key::Space).await;
    browser.until("return document.activeElement.getAttribute('aria-checked') === 'false'").await;
    assert_eq!(lab.off().await, ["csrf"]);

    tab_to(&browser, "#foreign-form .rule a").await;
    tab_to(&browser, "#foreign-form summary").await;
    key(&browser, Key::Enter).await;
    browser.until("return document.activeElement.parentElement.open").await;
    tab_to(&browser, "#foreign-form pre").await;
    browser.close().await;
}
