//! The page itself: its policy, its console, its accessibility, and who may work its switches.

use bartizan_peers::{Browser, Chromium, HttpRequest, axe};
use fantoccini::wd::WebDriverCompatibleCommand;
use http::Method;
use serde_json::{Value, json};
use url::{ParseError, Url};

use crate::instance::{Instance, press, switch};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_obeys_a_strict_policy_without_a_violation_of_its_own() {
    let Some(chromium) = Chromium::start() else { return };
    let lab = Instance::start().await;
    let response = HttpRequest::get(&lab.url("/")).send().await;
    let policy = response.header("content-security-policy").to_owned();
    for part in [
        "default-src 'none'",
        "script-src 'self';",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ] {
        assert!(policy.contains(part), "{policy} lacks {part}");
    }
    for part in ["unsafe-inline", "unsafe-eval", "*", "data:"] {
        assert!(!policy.contains(part), "{policy} has {part}");
    }
    let frames = format!(
        "frame-src {} {} {}/lab/careless/;",
        lab.addresses.attacker, lab.addresses.neighbour, lab.addresses.api
    );
    assert!(policy.contains(&frames), "{policy}");

    let browser = chromium.browser().await;
    browser.visit(&lab.url("/")).await;
    // An attack of which nothing runs in a frame of this site, so that what the console says is the page's own.
    press(&browser, "foreign-fetch").await;
    press(&browser, "path-traversal").await;
    switch(&browser, "foreign-form", false).await;
    switch(&browser, "foreign-form", true).await;
    let console = browser.console().await;
    let own: Vec<_> = console.iter().filter(|message| message.is_csp_violation()).collect();
    assert!(own.is_empty(), "{own:#?}");
    browser.visit(&lab.url("/lab/rules/csrf.cross-site")).await;
    assert_eq!(browser.run("return document.querySelector('h1').textContent").await, "csrf.cross-site");
    assert!(!browser.console().await.iter().any(bartizan_peers::ConsoleMessage::is_csp_violation));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_in_light_and_dark_wide_and_narrow() {
    let Some(chromium) = Chromium::start() else { return };
    let Some(axe) = axe() else { return };
    let lab = Instance::start().await;
    let browser = chromium.browser().await;
    browser.visit(&lab.url("/")).await;
    switch(&browser, "sniffing", false).await;
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        emulate(&browser, width, scheme).await;
        browser.visit(&lab.url("/")).await;
        let ink = browser.run("return getComputedStyle(document.body).color").await;
        assert_eq!(ink == "rgb(22, 33, 29)", scheme == "light", "{scheme}: {ink}");
        // As it comes, and with a verdict of each kind, a frame, and an exchange that is open.
        assert_eq!(violations(&browser, &axe).await, json!([]), "{width} {scheme}");
        assert_eq!(press(&browser, "foreign-form").await.outcome, "stopped");
        assert_eq!(press(&browser, "sniffing").await.outcome, "succeeded");
        browser.run("for (const details of document.querySelectorAll('details')) details.open = true").await;
        assert_eq!(violations(&browser, &axe).await, json!([]), "{width} {scheme}, after attacks");
        // The banner covers nothing that one goes to.
        let covered = "document.getElementById('framing').scrollIntoView({ behavior: 'instant' });
             const [card, banner] = ['framing', 'banner'].map((id) => document.getElementById(id).getBoundingClientRect());
             return card.top < banner.bottom";
        assert_eq!(browser.run(covered).await, false, "{width} {scheme}: under the banner");
        let overflows = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        assert_eq!(browser.run(overflows).await, false, "{width} {scheme}: wider than the screen");

        browser.visit(&lab.url("/lab/rules/csrf.cross-site")).await;
        assert_eq!(violations(&browser, &axe).await, json!([]), "{width} {scheme}, a rule");
    }
    browser.close().await;
}

/// What axe-core finds, by rule and place. Frames are other pages.
async fn violations(browser: &Browser, axe: &str) -> Value {
    browser.run(axe).await;
    browser
        .run_async(
            "const found = await axe.run(document, { iframes: false, runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
             return found.violations.map(({ id, help, nodes }) => ({ id, help, at: nodes.map(({ target, failureSummary }) => `${target}: ${failureSummary}`) }))",
        )
        .await
}

/// Sets the viewport and the colours that the browser's user prefers.
async fn emulate(browser: &Browser, width: u32, scheme: &str) {
    let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
    let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
    for (command, parameters) in [
        ("Emulation.setDeviceMetricsOverride", metrics),
        ("Emulation.setEmulatedMedia", json!({ "features": features })),
    ] {
        browser.issue_cmd(DevTools(json!({ "cmd": command, "params": parameters }))).await.unwrap();
    }
}

/// `ChromeDriver`'s way to the protocol of the developer tools.
#[derive(Debug)]
struct DevTools(Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.0.to_string()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_labs_own_page_works_its_switches() {
    let lab = Instance::start().await;
    let change = |headers: &[(&str, &str)]| {
        let mut request = HttpRequest::post(&lab.url("/lab/switches/csrf")).json(&json!({ "off": true }));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.send()
    };
    // Also where the control is off that would refuse them.
    for round in 0..2 {
        for headers in [
            &[("origin", &*lab.addresses.attacker), ("sec-fetch-site", "cross-site")][..],
            &[("origin", &*lab.addresses.neighbour), ("sec-fetch-site", "same-site")],
            &[("origin", &*lab.addresses.attacker)],
            &[("origin", "null")],
            &[("sec-fetch-site", "none")],
        ] {
            let response = change(headers).await;
            assert_eq!(response.status, 403, "{round} {headers:?}");
        }
        let own = [("origin", &*lab.addresses.api), ("sec-fetch-site", "same-origin")];
        let response = change(&own).await;
        assert_eq!((response.status, &*response.text()), (200, r#"{"off":["csrf"]}"#));
    }
    // Nor a page whose name was made to mean this machine (DNS rebinding): its own origin is of another host.
    for path in ["/lab/switches/csrf", "/lab/sign-in", "/lab/restore"] {
        let rebound = HttpRequest::post(&lab.url(path)).header("host", "evil.example:8080");
        let own = [("origin", "http://evil.example:8080"), ("sec-fetch-site", "same-origin")];
        let response = own.iter().fold(rebound, |request, (name, value)| request.header(name, value));
        let response = response.json(&json!({ "off": false })).send().await;
        assert_eq!((response.status, &*response.denial()), (421, "host.unknown"), "{path}");
    }
    let unknown =
        HttpRequest::post(&lab.url("/lab/switches/host")).json(&json!({ "off": true })).send().await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_another_name_of_this_machine_one_is_sent_to_the_right_one() {
    let lab = Instance::start().await;
    let by_address = lab.url("/").replace("localhost", "127.0.0.1");
    let response = HttpRequest::get(&by_address).send().await;
    assert_eq!((response.status, response.header("location")), (307, &*lab.addresses.api));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_lab_nothing_of_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let mut settings = reference_api::Settings::new(folder.path()).origin(&origin);
    settings.profile = Some("demo".into());
    settings.listen = listener.local_addr().unwrap();
    let opened = reference_api::ReferenceApi::open(&settings).await.unwrap();
    let serving = tokio::spawn(async move { opened.api.serve(listener).await });
    for path in ["/", "/lab/assets/lab.js", "/lab/careless/account", "/lab/holdings", "/lab/runs/x"] {
        let response = HttpRequest::get(&format!("{origin}{path}")).send().await;
        assert!(matches!(response.status, 401 | 404), "{path}: {}", response.status);
    }
    for path in ["/lab/switches/csrf", "/lab/sign-in", "/lab/restore", "/lab/careless/login"] {
        let response = HttpRequest::post(&format!("{origin}{path}")).header("origin", &origin).send().await;
        assert!(matches!(response.status, 401 | 404), "{path}: {}", response.status);
        assert!(response.headers_named("set-cookie").is_empty(), "{path}");
    }
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_at_one_account_keeps_nobody_else_out() {
    let Some(chromium) = Chromium::start() else { return };
    let lab = Instance::start().await;
    let browser = chromium.browser().await;
    browser.visit(&lab.url("/")).await;
    for _ in 0..4 {
        assert_eq!(press(&browser, "guessed-password").await.outcome, "stopped");
    }
    let body = json!({ "username": "alice", "password": lab.password("alice") });
    let login =
        HttpRequest::post(&lab.url("/login")).header("origin", &lab.addresses.api).json(&body).send().await;
    assert_eq!(login.status, 200, "{}", login.text());
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_answers_in_the_place_of_the_attack_is_no_success_of_it() {
    let Some(chromium) = Chromium::start() else { return };
    let lab = Instance::start().await;
    let browser = chromium.browser().await;
    browser.visit(&lab.url("/")).await;
    // Twenty requests of one person in a minute, and each run sends four.
    let mut outcomes = Vec::new();
    for _ in 0..6 {
        let seen = press(&browser, "command-injection").await;
        outcomes.push(seen.outcome);
        if outcomes.ends_with(&["failed".to_owned()]) {
            assert!(seen.text.contains("Run it again in "), "{}", seen.text);
        }
    }
    assert_eq!(outcomes, ["stopped", "stopped", "stopped", "stopped", "stopped", "failed"]);
    let tally = "return document.getElementById('tally').textContent";
    assert_eq!(browser.run(tally).await, "0 of 1 stopped, 1 could not run.");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attack_that_no_rule_is_seen_to_stop_is_not_said_to_be_stopped() {
    let Some(chromium) = Chromium::start() else { return };
    let lab = Instance::start().await;
    let browser = chromium.browser().await;
    browser.visit(&lab.url("/")).await;
    // As where something in the browser keeps the attack from the server: it has seen nothing.
    let unseen = "const real = window.fetch;
         window.fetch = (url, ...rest) => url.startsWith('/lab/runs/') ? Promise.resolve(new Response('[]')) : real(url, ...rest)";
    browser.run(unseen).await;
    for (card, said) in [
        ("stolen-cookie", "no rule of this application stopped it"),
        ("foreign-form", "Something else kept the attack from this application"),
    ] {
        let seen = press(&browser, card).await;
        assert_eq!(seen.outcome, "failed", "{card}: {seen:#?}");
        assert!(seen.text.contains(said), "{card}: {seen:#?}");
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_what_another_window_has_switched() {
    let Some(chromium) = Chromium::start() else { return };
    let lab = Instance::start().await;
    let browser = chromium.browser().await;
    browser.visit(&lab.url("/")).await;
    let another_window = async |path: &str, body: Value| {
        let request = HttpRequest::post(&lab.url(path)).header("origin", &lab.addresses.api).json(&body);
        assert_eq!(request.send().await.status, 200);
    };
    let checked = "return document.querySelector('#foreign-form .switch').getAttribute('aria-checked')";
    another_window("/lab/switches/csrf", json!({ "off": true })).await;
    assert_eq!(press(&browser, "foreign-form").await.outcome, "succeeded");
    browser.until(&format!("{checked} === 'false' && !document.getElementById('banner').hidden")).await;

    browser.visit(&lab.url("/lab/rules/csrf.cross-site")).await;
    another_window("/lab/restore", json!({})).await;
    browser.back().await.unwrap();
    browser.until(&format!("{checked} === 'true' && document.getElementById('banner').hidden")).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_nobody_answers_says_so() {
    let Some(chromium) = Chromium::start() else { return };
    let lab = Instance::start().await;
    let browser = chromium.browser().await;
    browser.visit(&lab.url("/")).await;
    switch(&browser, "foreign-form", false).await;
    let gone = json!({ "offline": true, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0 });
    for (command, parameters) in [("Network.enable", json!({})), ("Network.emulateNetworkConditions", gone)] {
        browser.issue_cmd(DevTools(json!({ "cmd": command, "params": parameters }))).await.unwrap();
    }
    for (pressed, said) in [
        ("#stored-xss .switch", "#stored-xss .verdict"),
        ("#stored-xss .run", "#stored-xss .verdict"),
        ("#restore", "#restore"),
    ] {
        browser.run(&format!("document.querySelector('{pressed}').click()")).await;
        let words = "/Is the demo still running|Nothing answered/";
        browser.until(&format!("return {words}.test(document.querySelector('{said}').innerText)")).await;
    }
    let checked = "return document.querySelector('#stored-xss .switch').getAttribute('aria-checked')";
    assert_eq!(browser.run(checked).await, "true");
    browser.close().await;
}
