//! Chromium against the careless FastAPI example, bare and behind `bartizan serve`.
//!
//! Every attack is made twice with the same steps: it must succeed against the bare application, or it would prove
//! nothing, and fail behind the gateway. The application is on `localhost`. The attacker is on `127.0.0.1`, which is
//! another site, or on another port of `localhost`: the same site, another origin.

use std::sync::LazyLock;

use bartizan_peers::{
    Browser, Chromium, ConsoleMessage, FastApi, Gateway, HttpRequest, LogOnFailure, StaticSite,
};
use fantoccini::Locator;
use serde_json::{Value, json};

/// What the tests of this binary share.
struct World {
    app: FastApi,
    chromium: Chromium,
    stranger: StaticSite,
}

static WORLD: LazyLock<Option<World>> = LazyLock::new(|| {
    Some(World { app: FastApi::start()?, chromium: Chromium::start()?, stranger: StaticSite::start() })
});

/// `bartizan serve --upstream URL` and nothing else.
static GATEWAY: LazyLock<Gateway> = LazyLock::new(|| {
    Gateway::start_without_policy(&WORLD.as_ref().expect("only asked for where there is a world").app.url(""))
});

impl World {
    /// The world, and guards that show what its parts wrote if the test fails.
    fn enter() -> Option<(&'static Self, Vec<LogOnFailure>)> {
        let world = WORLD.as_ref()?;
        let guards =
            vec![world.app.log_on_failure(), GATEWAY.log_on_failure(), world.chromium.log_on_failure()];
        Some((world, guards))
    }

    /// The two ways to reach the application, with a name for each.
    fn sides(&self) -> [Side; 2] {
        let side = |name, guarded, base: String| Side { name, guarded, base };
        [side("bare", false, self.app.url("")), side("gateway", true, GATEWAY.url(""))]
    }

    /// What everyone in the building may see: the balance of `who`, asked of the application itself.
    async fn balance(&self, who: &str) -> i64 {
        HttpRequest::get(&self.app.url("/api/balances")).send().await.json()[who].as_i64().unwrap_or(0)
    }

    /// Whether somebody posted this comment.
    async fn has_comment(&self, text: &str) -> bool {
        HttpRequest::get(&self.app.url("/comments")).send().await.text().contains(text)
    }
}

/// One way to reach the application.
struct Side {
    name: &'static str,
    guarded: bool,
    base: String,
}

impl Side {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Signs alice in with the application's own form, and waits for her balance.
    async fn sign_in(&self, browser: &Browser) {
        browser.visit(&self.url("/")).await;
        fill(browser, "#login [name=username]", "alice").await;
        fill(browser, "#login [name=password]", "wonderland").await;
        browser.find(Locator::Css("#login button")).await.unwrap().click().await.unwrap();
        browser.until("return document.querySelector('#balance')?.textContent").await;
    }
}

async fn fill(browser: &Browser, field: &str, text: &str) {
    browser.find(Locator::Css(field)).await.unwrap().send_keys(text).await.unwrap();
}

/// The console's lines about violations of the Content Security Policy.
async fn csp_violations(browser: &Browser) -> Vec<String> {
    let console = browser.console().await;
    console.into_iter().filter(ConsoleMessage::is_csp_violation).map(|message| message.text).collect()
}

#[tokio::test]
async fn a_form_on_another_site_cannot_spend_the_users_money() {
    let Some((world, _guards)) = World::enter() else { return };
    for side in world.sides() {
        let recipient = format!("form-{}", side.name);
        let trap = world.stranger.page(
            &format!("/form-{}", side.name),
            &format!(
                "<form action='{}' method=post><input name=to value='{recipient}'><input name=amount value=7></form>
                 <script>document.forms[0].submit()</script>",
                side.url("/transfer")
            ),
        );
        let browser = world.chromium.browser().await;
        side.sign_in(&browser).await;
        browser.visit(&trap).await;
        // The answer, whatever it is, is the next page.
        browser
            .until(&format!(
                "return location.origin === '{}' && document.readyState === 'complete'",
                side.base
            ))
            .await;
        assert_eq!(world.balance(&recipient).await, if side.guarded { 0 } else { 7 }, "{}", side.name);
        if side.guarded {
            assert!(GATEWAY.log().contains("csrf.cross-site"), "{}", GATEWAY.log());
            let page = browser.source().await.unwrap();
            assert!(page.contains("csrf.cross-site"), "a person sees the reason: {page}");
        }
        browser.close().await;
    }
}

#[tokio::test]
async fn a_script_on_another_site_cannot_write() {
    let Some((world, _guards)) = World::enter() else { return };
    for side in world.sides() {
        let browser = world.chromium.browser().await;
        browser.visit(&world.stranger.page("/write", "a page of somebody else's")).await;

        // A "simple" request: sent without asking, its answer kept from the script. The harm is done by then.
        let spam = format!("spam-{}", side.name);
        let sent = browser
            .run_async(&format!(
                "const body = new URLSearchParams({{ text: '{spam}' }});
                 return (await fetch('{}', {{ method: 'POST', mode: 'no-cors', body }})).type",
                side.url("/comments")
            ))
            .await;
        assert!(sent == "opaque" || sent == "opaqueredirect" || side.guarded, "{}: {sent}", side.name);
        assert_eq!(world.has_comment(&spam).await, !side.guarded, "{}", side.name);

        // One that needs a preflight.
        let answer = browser
            .run_async(&format!(
                "return await (await fetch('{}', {{
                     method: 'POST', credentials: 'include',
                     headers: {{ 'content-type': 'application/json' }}, body: '{{}}',
                 }})).text()",
                side.url("/webhooks/payment")
            ))
            .await;
        assert_eq!(answer == "threw TypeError: Failed to fetch", side.guarded, "{}: {answer}", side.name);
        browser.close().await;
    }
}

#[tokio::test]
async fn a_script_on_another_site_cannot_read() {
    let Some((world, _guards)) = World::enter() else { return };
    for side in world.sides() {
        let browser = world.chromium.browser().await;
        browser.visit(&world.stranger.page("/read", "a page of somebody else's")).await;
        for credentials in ["omit", "include"] {
            let read = browser
                .run_async(&format!(
                    "return await (await fetch('{}', {{ credentials: '{credentials}' }})).text()",
                    side.url("/api/balances")
                ))
                .await;
            let read = read.as_str().unwrap();
            assert_eq!(read.contains("alice"), !side.guarded, "{} {credentials}: {read}", side.name);
            assert_eq!(read == "threw TypeError: Failed to fetch", side.guarded, "{}: {read}", side.name);
        }
        browser.close().await;
    }
}

#[tokio::test]
async fn a_neighbour_on_the_same_site_cannot_use_the_users_cookie() {
    let Some((world, _guards)) = World::enter() else { return };
    for side in world.sides() {
        let browser = world.chromium.browser().await;
        side.sign_in(&browser).await;
        world.stranger.page("/neighbour", "another port, the same site: SameSite cookies are sent along");
        browser.visit(&world.stranger.url_on_localhost("/neighbour")).await;
        let read = browser
            .run_async(&format!(
                "return await (await fetch('{}', {{ credentials: 'include' }})).text()",
                side.url("/api/account")
            ))
            .await;
        let read = read.as_str().unwrap();
        assert_eq!(read.contains("\"name\":\"alice\""), !side.guarded, "{}: {read}", side.name);

        let recipient = format!("neighbour-{}", side.name);
        browser
            .run_async(&format!(
                "const body = new URLSearchParams({{ to: '{recipient}', amount: 5 }});
                 await fetch('{}', {{ method: 'POST', mode: 'no-cors', credentials: 'include', body }})",
                side.url("/transfer")
            ))
            .await;
        assert_eq!(world.balance(&recipient).await, if side.guarded { 0 } else { 5 }, "{}", side.name);
        browser.close().await;
    }
}

#[tokio::test]
async fn an_injected_script_does_not_run() {
    let Some((world, _guards)) = World::enter() else { return };
    for side in world.sides() {
        let browser = world.chromium.browser().await;
        browser.visit(&side.url("/comments")).await;
        // Posted with the page's own form, as anybody may.
        let mark = format!("mark-{}", side.name);
        let injected = format!(
            "{mark}<script>document.body.dataset.inline = 'ran'</script>\
             <img src=/nothing onerror=\"document.body.dataset.handler = 'ran'\">\
             <a id={mark} href=\"javascript:void(document.body.dataset.link = 'ran')\">look</a>"
        );
        fill(&browser, "#comment [name=text]", &injected).await;
        browser.find(Locator::Css("#comment button")).await.unwrap().click().await.unwrap();
        browser.until(&format!("return document.body.textContent.includes('{mark}')")).await;
        browser.until("return document.documentElement.dataset.script === 'ran'").await;
        browser
            .until(&format!(
                "document.getElementById('{mark}').click(); return document.readyState === 'complete'"
            ))
            .await;
        if side.guarded {
            // All three were noticed and refused: the browser says so, so that nothing is left to wait for.
            let mut refused = Vec::new();
            bartizan_peers::until_async("three violations", std::time::Duration::from_secs(20), async || {
                refused.extend(csp_violations(&browser).await);
                (refused.len() >= 3).then_some(())
            })
            .await;
            assert_eq!(browser.run("return {...document.body.dataset}").await, json!({}), "{refused:?}");
        } else {
            browser
                .until("const { inline, handler, link } = document.body.dataset; return inline && handler && link")
                .await;
        }
        browser.close().await;
    }
}

#[tokio::test]
async fn a_page_cannot_be_framed() {
    let Some((world, _guards)) = World::enter() else { return };
    for side in world.sides() {
        let path = format!("/frame-{}", side.name);
        let frame = format!("<iframe src='{}' onload='document.title = \"loaded\"'></iframe>", side.url("/"));
        let browser = world.chromium.browser().await;
        browser.visit(&world.stranger.page(&path, &frame)).await;
        // An error page is loaded too.
        browser.until("return document.title === 'loaded'").await;
        browser.enter_frame(0).await.unwrap();
        let inside = browser
            .run("return { address: location.href, title: document.querySelector('h1')?.textContent }")
            .await;
        assert_eq!(inside["title"] == "Sign in", !side.guarded, "{}: {inside}", side.name);
        assert_eq!(
            inside["address"] == "chrome-error://chromewebdata/",
            side.guarded,
            "{}: {inside}",
            side.name
        );
        browser.close().await;
    }
}

#[tokio::test]
async fn scripts_do_not_see_the_session_cookie_and_do_see_the_token() {
    let Some((world, _guards)) = World::enter() else { return };
    for side in world.sides() {
        let browser = world.chromium.browser().await;
        side.sign_in(&browser).await;
        let visible = browser.run("return document.cookie").await;
        let visible = visible.as_str().unwrap();
        assert_eq!(visible.contains("session=alice"), !side.guarded, "{}: {visible}", side.name);
        assert!(visible.contains("csrftoken="), "{}: {visible}", side.name);
        // It is still there, and sent.
        let account = browser.run_async("return await (await fetch('/api/account')).json()").await;
        assert_eq!(account["name"], "alice", "{}", side.name);
        browser.close().await;
    }
}

#[tokio::test]
async fn another_site_cannot_open_the_websocket_and_the_own_page_can() {
    let Some((world, _guards)) = World::enter() else { return };
    let open = |side: &Side| {
        format!(
            "return await new Promise((resolve) => {{
                 const socket = new WebSocket('{}/ws');
                 socket.onerror = () => resolve('refused');
                 socket.onmessage = (event) => {{
                     if (event.data.startsWith('welcome')) socket.send('pebbles');
                     else resolve(event.data);
                 }};
             }})",
            side.base.replace("http://", "ws://")
        )
    };
    for side in world.sides() {
        let browser = world.chromium.browser().await;
        browser.visit(&world.stranger.page("/socket", "a page of somebody else's")).await;
        let foreign = browser.run_async(&open(&side)).await;
        assert_eq!(foreign, if side.guarded { "refused" } else { "you said: pebbles" }, "{}", side.name);

        browser.visit(&side.url("/")).await;
        assert_eq!(browser.run_async(&open(&side)).await, "you said: pebbles", "{}", side.name);
        browser.close().await;
    }
    assert!(GATEWAY.log().contains("websocket.origin"), "{}", GATEWAY.log());
}

#[tokio::test]
async fn the_own_pages_and_forms_work() {
    let Some((world, _guards)) = World::enter() else { return };
    for side in world.sides() {
        let browser = world.chromium.browser().await;
        side.sign_in(&browser).await;
        browser.until("return document.documentElement.dataset.script === 'ran'").await;
        let colour = browser.run("return getComputedStyle(document.querySelector('h1')).color").await;
        assert_eq!(colour, "rgb(20, 80, 60)", "{}: the stylesheet applies", side.name);

        let recipient = format!("friend-{}", side.name);
        fill(&browser, "#transfer [name=to]", &recipient).await;
        fill(&browser, "#transfer [name=amount]", "3").await;
        browser.run("window.stale = true").await;
        browser.find(Locator::Css("#transfer button")).await.unwrap().click().await.unwrap();
        browser.until("return !window.stale && document.querySelector('#balance')?.textContent").await;
        assert_eq!(world.balance(&recipient).await, 3, "{}", side.name);

        assert_eq!(csp_violations(&browser).await, [""; 0], "{}", side.name);
        browser.close().await;
    }
}

#[tokio::test]
async fn the_built_front_end_works() {
    let Some((world, _guards)) = World::enter() else { return };
    let shows =
        |id: &str, text: &str| format!("return document.getElementById('{id}')?.textContent === '{text}'");
    for side in world.sides() {
        let browser = world.chromium.browser().await;
        side.sign_in(&browser).await;
        browser.visit(&side.url("/app/")).await;
        browser.until(&shows("token", "readable")).await;
        browser.until("return document.getElementById('account').textContent.startsWith('alice:')").await;
        browser.until(&shows("chat", "you said: hello")).await;
        browser.until(&shows("worker", "active /app/")).await;
        let colour = browser.run("return getComputedStyle(document.querySelector('h1')).color").await;
        assert_eq!(colour, "rgb(20, 80, 60)", "{}: the stylesheet applies", side.name);

        // Server-sent events, from somebody who posts a comment elsewhere.
        browser.until("return document.getElementById('feed').textContent !== '…'").await;
        let news = format!("news-{}", side.name);
        HttpRequest::post(&world.app.url("/comments")).form(&[("text", &news)]).send().await;
        browser
            .until(&format!("return document.getElementById('feed').textContent.includes('{news}')"))
            .await;

        // The cookie that scripts read goes back in a header.
        fill(&browser, "#note [name=text]", "remember").await;
        browser.find(Locator::Css("#note button")).await.unwrap().click().await.unwrap();
        browser.until(&shows("noted", "201")).await;

        // From the second visit on, the service worker answers for the network.
        browser.visit(&side.url("/app/")).await;
        browser.until("return navigator.serviceWorker.controller?.scriptURL.endsWith('/app/sw.js')").await;
        browser.until(&shows("token", "readable")).await;

        assert_eq!(csp_violations(&browser).await, [""; 0], "{}", side.name);
        browser.close().await;
    }
}

#[tokio::test]
async fn a_trusted_front_end_calls_with_credentials_and_others_do_not() {
    let Some((world, _guards)) = World::enter() else { return };
    let trusted = StaticSite::start();
    let gateway = Gateway::start(
        &format!(
            "version = 1
             [origin]
             trusted = [\"{}\"]
             [cors]
             headers = [\"content-type\", \"x-csrf-token\"]",
            trusted.url_on_localhost("")
        ),
        &world.app.url(""),
    );
    let side = Side { name: "trusting", guarded: true, base: gateway.url("") };
    let call = format!(
        "const token = document.cookie.split('; ').find((pair) => pair.startsWith('csrftoken=')).slice(10);
         const response = await fetch('{}', {{
             method: 'POST', credentials: 'include',
             headers: {{ 'content-type': 'application/json', 'x-csrf-token': token }},
             body: JSON.stringify({{ text: 'from afar' }}),
         }});
         const account = await fetch('{}', {{ credentials: 'include' }});
         return [response.status, await response.json(), (await account.json()).name]",
        side.url("/api/notes"),
        side.url("/api/account")
    );
    let browser = world.chromium.browser().await;
    side.sign_in(&browser).await;
    for (site, expected) in [
        (&trusted, json!([201, { "text": "from afar" }, "alice"])),
        (&world.stranger, Value::from("threw TypeError: Failed to fetch")),
    ] {
        site.page("/front-end", "a front end on another origin");
        browser.visit(&site.url_on_localhost("/front-end")).await;
        assert_eq!(browser.run_async(&call).await, expected, "{}\n{}", site.url(""), gateway.log());
    }
    browser.close().await;
}
