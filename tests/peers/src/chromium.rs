//! Headless Chromium, driven over `WebDriver`.

use std::{ops::Deref, path::PathBuf, process::Command, time::Duration};

use fantoccini::{
    Client, ClientBuilder,
    wd::{Capabilities, WebDriverCompatibleCommand},
};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use crate::{
    Cdn, free_port, install,
    process::{LogOnFailure, Peer},
    raw, until,
    wait::poll,
};

/// How long a page may take to show what a test waits for.
const LIMIT: Duration = Duration::from_secs(20);

/// A running `ChromeDriver`, which starts browsers.
#[derive(Debug)]
pub struct Chromium {
    driver: Peer,
    port: u16,
    binary: PathBuf,
}

impl Chromium {
    /// Finds Chromium and starts `ChromeDriver` on a free port.
    ///
    /// `None` where one is missing and `CI` is not set; a line on standard error says so.
    pub fn start() -> Option<Self> {
        let binary = install::or_skip("Chromium", install::require(install::CHROMIUM))?;
        let chromedriver = install::or_skip("ChromeDriver", install::require(install::CHROMEDRIVER))?;
        let port = free_port();
        let mut driver =
            Peer::spawn("chromedriver", Command::new(chromedriver).arg(format!("--port={port}")));
        until("chromedriver to answer", Duration::from_secs(30), || {
            if let Some(status) = driver.exited() {
                panic!("chromedriver ended with {status}:\n{}", driver.log());
            }
            // It listens once it is ready, and keeps connections open whatever a request says.
            raw::connect(port).ok()
        });
        Some(Self { driver, port, binary })
    }

    /// Opens a browser that has never been anywhere: its own profile, its own cookies.
    pub async fn browser(&self) -> Browser {
        self.open(None).await
    }

    /// Opens one for which `cdn` has the names that it stands in for, and any certificate is good.
    pub async fn browser_with(&self, cdn: &Cdn) -> Browser {
        self.open(Some(cdn)).await
    }

    async fn open(&self, cdn: Option<&Cdn>) -> Browser {
        // Nothing outside this machine exists, on every machine: no test depends on what a network lets through. Of
        // the rules that map a name the first one holds.
        let mut resolver_rules = cdn.map(Cdn::resolver_rules).unwrap_or_default();
        resolver_rules
            .extend(["MAP * ~NOTFOUND", "EXCLUDE localhost", "EXCLUDE 127.0.0.1"].map(str::to_owned));
        let profile = tempfile::tempdir().expect("a temporary directory");
        let mut arguments = vec![
            "--headless".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            // Without these Chromium looks up its maker's hosts at every start.
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            format!("--host-resolver-rules={}", resolver_rules.join(", ")),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        if install::runs_as_root() {
            arguments.push("--no-sandbox".to_owned());
        }
        let capabilities = json!({
            "browserName": "chrome",
            "acceptInsecureCerts": cdn.is_some(),
            "goog:chromeOptions": { "binary": self.binary, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let capabilities: Capabilities = capabilities.as_object().cloned().expect("an object");
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", self.port))
            .await
            .unwrap_or_else(|error| panic!("Chromium does not start: {error}\n{}", self.driver.log()));
        Browser { client, _profile: profile }
    }

    /// Prints what `ChromeDriver` wrote meanwhile if the test fails.
    pub fn log_on_failure(&self) -> LogOnFailure {
        self.driver.log_on_failure()
    }
}

/// One browser with one window; a [`fantoccini::Client`] with what our tests ask for besides.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    _profile: TempDir,
}

impl Browser {
    /// Goes to a URL and waits until the page is loaded. A page that cannot be loaded is a failure.
    pub async fn visit(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("{url} does not load: {error}"));
    }

    /// What the body of a function returns in the page: `return document.title`.
    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap_or_else(|error| panic!("{error}: {script}"))
    }

    /// What an async function's body returns in the page: `return (await fetch("/")).status`. What it throws
    /// comes back as `"threw …"`.
    pub async fn run_async(&self, script: &str) -> Value {
        let wrapped = format!(
            "const done = arguments[arguments.length - 1];
             (async () => {{ {script} }})().then(done, (error) => done(`threw ${{error}}`));"
        );
        self.client.execute_async(&wrapped, vec![]).await.unwrap_or_else(|error| panic!("{error}: {script}"))
    }

    /// Waits until a function's body returns something true, and returns it. While the window moves from one
    /// page to the next, there is nothing to ask yet.
    pub async fn until(&self, script: &str) -> Value {
        let found = poll(LIMIT, async || {
            let value = self.client.execute(script, vec![]).await.ok()?;
            let empty = matches!(&value, Value::Null | Value::Bool(false)) || value == "" || value == 0;
            (!empty).then_some(value)
        })
        .await;
        if let Some(value) = found {
            return value;
        }
        let (url, source, console) =
            (self.client.current_url().await, self.client.source().await, self.console().await);
        panic!("waited {LIMIT:?} in vain for {script}\non {url:?}\n{source:?}\n{console:#?}");
    }

    /// Takes what the console has shown since this was last asked: script errors, refused loads, violations of
    /// the Content Security Policy.
    pub async fn console(&self) -> Vec<ConsoleMessage> {
        let entries = self.client.issue_cmd(BrowserLog).await.expect("the browser's log");
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let entries = entries.as_array().map(Vec::as_slice).unwrap_or_default();
        entries
            .iter()
            .map(|entry| ConsoleMessage {
                level: text(entry, "level"),
                source: text(entry, "source"),
                text: text(entry, "message"),
            })
            .collect()
    }

    /// Closes the browser. One that is not closed goes with its [`Chromium`].
    pub async fn close(self) {
        self.client.close().await.expect("the browser closes");
    }
}

impl Deref for Browser {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// A line of the browser's console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleMessage {
    /// `SEVERE`, `WARNING`, `INFO`.
    pub level: String,
    /// `javascript`, `network`, `security`.
    pub source: String,
    /// What it says, after the place.
    pub text: String,
}

impl ConsoleMessage {
    /// Whether it tells of a violated Content Security Policy.
    pub fn is_csp_violation(&self) -> bool {
        self.text.contains("Content Security Policy")
    }
}

/// `ChromeDriver`'s command for the console, which the `WebDriver` standard lacks.
#[derive(Debug)]
struct BrowserLog;

impl WebDriverCompatibleCommand for BrowserLog {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StaticSite;

    #[tokio::test]
    async fn a_page_runs_and_its_console_is_read() {
        let Some(chromium) = Chromium::start() else { return };
        let site = StaticSite::start();
        let url = site.page(
            "/",
            "<script>setTimeout(() => { document.title = 'ran'; console.error('seen') })</script>",
        );
        let browser = chromium.browser().await;
        browser.visit(&url).await;
        browser.until("return document.title === 'ran'").await;
        assert_eq!(browser.run_async("return await Promise.resolve(7)").await, 7);
        assert_eq!(browser.run_async("throw new Error('no')").await, "threw Error: no");
        let console = browser.console().await;
        assert!(console.iter().any(|message| message.text.contains("seen")), "{console:?}");
        browser.close().await;
    }
}
