//! Chromium on FastAPI's documentation pages, behind the policy that `bartizan init --fastapi` writes for them.
//!
//! The pages load Swagger UI and `ReDoc` from a CDN; here a server on this machine has its name and its files.
//! The same browser opens each page twice. Under the written policy the page must show every operation of the
//! application, and work. Under the defaults, which know nothing of a CDN, it must stay empty: otherwise the first
//! visit would prove nothing.

use std::time::Duration;

use bartizan_peers::{Browser, Cdn, Chromium, FastApi, Gateway, HttpRequest, until_async};
use fantoccini::Locator;
use serde_json::{Value, json};

/// A documentation page.
struct Page {
    path: &'static str,
    /// The element that its library makes for each operation.
    operation: &'static str,
}

const SWAGGER_UI: Page = Page { path: "/docs", operation: ".opblock" };
const REDOC: Page = Page { path: "/redoc", operation: "[data-section-id]" };

impl Page {
    /// The expression for the number of operations that it shows.
    fn count(&self) -> String {
        format!("document.querySelectorAll('{}').length", self.operation)
    }
}

/// What a test with a browser needs.
struct World {
    app: FastApi,
    /// `bartizan serve --upstream URL` and nothing else.
    defaults: Gateway,
    documented: Gateway,
    cdn: Cdn,
    chromium: Chromium,
}

impl World {
    fn start() -> Option<Self> {
        let app = FastApi::start()?;
        let (cdn, chromium) = (Cdn::start()?, Chromium::start()?);
        let (defaults, documented) = (Gateway::start_without_policy(&app.url("")), documented(&app));
        Some(Self { app, defaults, documented, cdn, chromium })
    }

    /// A browser on the page under the written policy, as soon as it shows all operations.
    async fn open(&self, page: &Page) -> Browser {
        let browser = self.chromium.browser_with(&self.cdn).await;
        // As wide as a desk's, where ReDoc has its menu beside the page.
        browser.set_window_size(1280, 900).await.unwrap();
        browser.visit(&self.documented.url(page.path)).await;
        let expected = self.operations(|_, _, _| String::new()).await.len();
        browser.until(&format!("return {} >= {expected}", page.count())).await;
        browser
    }

    /// Asserts that the page shows nothing in this browser under the defaults.
    async fn empty_under_the_defaults(&self, browser: &Browser, page: &Page) {
        browser.visit(&self.defaults.url(page.path)).await;
        // It is loaded and its script was refused: nothing is left that could show anything later.
        let console = browser.console().await;
        let is_script = |text: &str| text.contains("https://cdn.jsdelivr.net/npm/") && text.contains(".js'");
        assert!(console.iter().any(|line| line.is_csp_violation() && is_script(&line.text)), "{console:?}");
        assert_eq!(browser.run(&format!("return {}", page.count())).await, 0, "{console:?}");
    }

    /// What `show` makes of the method, the path and the rest of each operation in the application's own document,
    /// sorted.
    async fn operations(&self, show: impl Fn(&str, &str, &Value) -> String) -> Vec<String> {
        let document = HttpRequest::get(&self.app.url("/openapi.json")).send().await.json();
        let mut shown = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                shown.push(show(&method.to_uppercase(), path, operation));
            }
        }
        shown.sort();
        assert!(shown.len() > 10, "{document}");
        shown
    }
}

/// The gateway in front of `app`, with the policy that `bartizan init --fastapi` writes for it.
fn documented(app: &FastApi) -> Gateway {
    let directory = tempfile::tempdir().unwrap();
    let written = std::process::Command::new(Gateway::binary())
        .args(["init", "--fastapi", &app.url("")])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert!(written.status.success(), "{written:?}");
    let policy = std::fs::read_to_string(directory.path().join("bartizan.toml")).unwrap();
    Gateway::start(&policy, &app.url(""))
}

/// What went wrong on the page: violations of the Content Security Policy, script errors, loads that failed.
async fn faults(browser: &Browser) -> Vec<String> {
    let console = browser.console().await;
    let faults = console.into_iter().filter(|line| line.is_csp_violation() || line.level == "SEVERE");
    // Here are no fonts. That they are asked for is asserted where they are missing.
    faults.map(|line| line.text).filter(|text| !text.starts_with("https://fonts.gstatic.com/")).collect()
}

async fn click(browser: &Browser, css: &str) {
    browser
        .until(&format!(
            "const found = document.querySelector('{css}'); found?.click(); return Boolean(found)"
        ))
        .await;
}

#[tokio::test]
async fn what_the_pages_need_is_allowed_to_them_alone() {
    let Some(app) = FastApi::start() else { return };
    let gateway = documented(&app);
    for (path, from_elsewhere) in [(SWAGGER_UI.path, true), (REDOC.path, true), ("/comments", false)] {
        let page = HttpRequest::get(&gateway.url(path)).send().await;
        let csp = page.header("content-security-policy");
        assert_eq!(csp.contains("https://cdn.jsdelivr.net/npm/"), from_elsewhere, "{path}: {csp}");
        assert_eq!(csp.contains("script-src 'self'"), !from_elsewhere, "{path}: {csp}");
        assert!(!csp.contains("unsafe"), "{path}: {csp}");
    }
}

#[tokio::test]
async fn swagger_ui_shows_every_operation_and_calls_it() {
    let Some(world) = World::start() else { return };
    let browser = world.open(&SWAGGER_UI).await;
    let shown = browser
        .run(
            "const text = (block, css) => block.querySelector(css).textContent.replaceAll('\\u200b', '');
             return [...document.querySelectorAll('.opblock')].map((block) =>
                 `${text(block, '.opblock-summary-method')} ${text(block, '.opblock-summary-path')}`).sort()",
        )
        .await;
    assert_eq!(shown, json!(world.operations(|method, path, _| format!("{method} {path}")).await));
    let style = "getComputedStyle(document.querySelector('.opblock-post .opblock-summary-method'))";
    let colour = browser.run(&format!("return {style}.backgroundColor")).await;
    assert_eq!(colour, "rgb(73, 204, 144)", "the stylesheet applies");

    // Everything unfolded: parameters, examples, schemas.
    let unfold =
        "document.querySelectorAll('.opblock-summary-control').forEach((control) => control.click())";
    browser.run(unfold).await;
    let shown = SWAGGER_UI.count();
    browser.until(&format!("return document.querySelectorAll('.opblock-body').length === {shown}")).await;

    // A read and a write, as a reader of the page tries them.
    for (operation, answer) in
        [("all_balances_api_balances_get", "\"alice\": 100"), ("upload_upload_post", "\"bytes\": 0")]
    {
        let block = format!("#operations-default-{operation}");
        click(&browser, &format!("{block} .try-out__btn")).await;
        click(&browser, &format!("{block} .execute")).await;
        let row = format!("document.querySelector('{block} .live-responses-table .response')");
        let row = browser.until(&format!("return {row}?.textContent")).await;
        let row = row.as_str().unwrap();
        assert!(row.starts_with("200") && row.contains(answer), "{operation}: {row}");
    }
    assert_eq!(faults(&browser).await, [""; 0]);
    world.empty_under_the_defaults(&browser, &SWAGGER_UI).await;
    browser.close().await;
}

#[tokio::test]
async fn redoc_shows_every_operation_and_searches() {
    let Some(world) = World::start() else { return };
    let browser = world.open(&REDOC).await;
    let shown = browser
        .run("return [...document.querySelectorAll('[data-section-id]')].map((at) => at.dataset.sectionId).sort()")
        .await;
    let section = |operation: &Value| format!("operation/{}", operation["operationId"].as_str().unwrap());
    assert_eq!(shown, json!(world.operations(|_, _, operation| section(operation)).await));

    let font = browser.run("return getComputedStyle(document.querySelector('h1')).fontFamily").await;
    assert_eq!(font, "Montserrat, sans-serif", "the styles that ReDoc makes apply");
    for font in ["montserrat", "roboto"] {
        let url = format!("fonts.gstatic.com/s/{font}.woff2");
        until_async(&url, Duration::from_secs(20), async || world.cdn.was_asked_for(&url).then_some(()))
            .await;
    }
    // ReDoc's logo.
    browser.until("return document.querySelector('img[src^=\"https://cdn.redoc.ly/\"]').naturalWidth").await;

    // A worker answers, which ReDoc makes of a blob.
    browser.find(Locator::Css("[role=search] input")).await.unwrap().send_keys("balances").await.unwrap();
    let found = browser
        .until("return document.querySelector('[data-role=\"search:results\"] [role=menuitem]')?.textContent")
        .await;
    assert!(found.as_str().unwrap().contains("All Balances"), "{found}");

    assert_eq!(faults(&browser).await, [""; 0]);
    world.empty_under_the_defaults(&browser, &REDOC).await;
    browser.close().await;
}
