//! Sessions by hand-off: Chromium signs in to `examples/fastapi-careless/handoff.py`, which keeps no session and sets no
//! cookie, through `bartizan serve` with the policy beside it.
//!
//! The application is on `localhost`. The other site is on `127.0.0.1`.

use std::{fs, sync::LazyLock};

use bartizan_peers::{
    Browser, Chromium, FastApi, Gateway, HttpRequest, HttpResponse, LogOnFailure, StaticSite, free_port, root,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use fantoccini::Locator;
use serde_json::{Value, json};

const COOKIE: &str = "__Host-session";

/// What the tests of this binary share.
struct World {
    house: House,
    chromium: Chromium,
    stranger: StaticSite,
}

static WORLD: LazyLock<Option<World>> = LazyLock::new(|| {
    Some(World {
        house: House::start(|policy| policy)?,
        chromium: Chromium::start()?,
        stranger: StaticSite::start(),
    })
});

impl World {
    /// The world, and guards that show what its parts wrote if the test fails.
    fn enter() -> Option<(&'static Self, Vec<LogOnFailure>)> {
        let world = WORLD.as_ref()?;
        let House { app, gateway } = &world.house;
        let guards = vec![app.log_on_failure(), gateway.log_on_failure(), world.chromium.log_on_failure()];
        Some((world, guards))
    }
}

/// The application, and the gateway before it.
struct House {
    app: FastApi,
    gateway: Gateway,
}

impl House {
    /// With the example's policy, as `edited`.
    fn start(edited: impl FnOnce(String) -> String) -> Option<Self> {
        let port = free_port();
        let public = format!("http://localhost:{port}");
        let app = FastApi::start_with_handoff(&public)?;
        let policy = fs::read_to_string(root().join("examples/fastapi-careless/handoff.toml")).unwrap();
        let policy = edited(replaced(&policy, "http://localhost:8080", &public));
        let gateway = Gateway::start_on(port, &policy, &app.url(""), &[]);
        Some(Self { app, gateway })
    }

    /// Signs alice in with the form, and gives back what the browser now holds: the session's id.
    async fn sign_in(&self, browser: &Browser) -> String {
        browser.visit(&self.gateway.url("/session")).await;
        assert_eq!(cookie(browser).await, None);
        for (field, text) in [("username", "alice"), ("password", "wonderland")] {
            let field = browser.find(Locator::Css(&format!("#login [name={field}]"))).await.unwrap();
            field.send_keys(text).await.unwrap();
        }
        browser.find(Locator::Css("#login button")).await.unwrap().click().await.unwrap();
        assert_eq!(browser.until(NAME).await, "alice");
        cookie(browser).await.expect("a session cookie")
    }

    /// Asks who is signed in, as a client that has somebody's session id.
    async fn replay(&self, id: &str) -> HttpResponse {
        let request = HttpRequest::get(&self.gateway.url("/session/me"));
        request.header("cookie", &format!("{COOKIE}={id}")).send().await
    }
}

/// The script for the name on the page that greets whoever is signed in.
const NAME: &str = "return document.querySelector('#name')?.textContent";

/// `text` with `new` for `old`, which is in it.
fn replaced(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old} is not in {text}");
    text.replace(old, new)
}

/// The session cookie that the browser holds.
async fn cookie(browser: &Browser) -> Option<String> {
    let cookies = browser.get_all_cookies().await.unwrap();
    cookies.into_iter().find(|cookie| cookie.name() == COOKIE).map(|cookie| cookie.value().to_owned())
}

/// Status and name, or code, of the application's answer to the page's own script that asks who is signed in.
async fn me(browser: &Browser) -> Value {
    browser
        .run_async(
            "const answer = await fetch('/session/me');
             const body = await answer.json();
             return [answer.status, body.name ?? body.code]",
        )
        .await
}

#[tokio::test]
async fn the_form_signs_in_and_scripts_do_not_see_the_session() {
    let Some((world, _guards)) = World::enter() else { return };
    let House { gateway, .. } = &world.house;
    let browser = world.chromium.browser().await;
    browser.visit(&gateway.url("/session")).await;
    assert_eq!(me(&browser).await, json!([401, "auth.required"]));

    let id = world.house.sign_in(&browser).await;
    assert_eq!(me(&browser).await, json!([200, "alice"]));
    assert_eq!(browser.run("return document.cookie").await, "");
    let cookie = browser.get_named_cookie(COOKIE).await.unwrap();
    assert_eq!((cookie.http_only(), cookie.secure(), cookie.path()), (Some(true), Some(true), Some("/")));

    // Who has the id has the session. So it is neither in the log nor among what is kept.
    assert_eq!(world.house.replay(&id).await.json()["name"], "alice");
    assert!(!gateway.log().contains(&id), "{}", gateway.log());
    let kept: Vec<_> =
        fs::read_dir(gateway.directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(kept.iter().any(|path| path.ends_with("bartizan.db")), "{kept:?}");
    for path in kept.iter().filter(|path| path.is_file()) {
        let bytes = fs::read(path).unwrap();
        assert!(!bytes.windows(id.len()).any(|window| window == id.as_bytes()), "{}", path.display());
    }
    browser.close().await;
}

#[tokio::test]
async fn a_session_survives_a_restart_of_the_gateway_and_of_the_application() {
    let Some((world, _guards)) = World::enter() else { return };
    let Some(mut house) = House::start(|policy| policy) else { return };
    let browser = world.chromium.browser().await;
    let id = house.sign_in(&browser).await;
    let keys = HttpRequest::get(&house.gateway.url("/.well-known/jwks.json")).send().await.text();
    assert!(keys.contains("Ed25519"), "{keys}");

    house.gateway.restart();
    assert_eq!(me(&browser).await, json!([200, "alice"]));
    assert_eq!(HttpRequest::get(&house.gateway.url("/.well-known/jwks.json")).send().await.text(), keys);

    house.app.restart();
    browser.visit(&house.gateway.url("/session/welcome")).await;
    assert_eq!(browser.until(NAME).await, "alice");
    assert_eq!(me(&browser).await, json!([200, "alice"]));
    assert_eq!(cookie(&browser).await, Some(id));
    browser.close().await;
}

#[tokio::test]
async fn a_link_and_a_redirect_of_another_site_arrive_signed_in_unless_strict() {
    let Some((world, _guards)) = World::enter() else { return };
    let strict = |policy: String| replaced(&policy, "[session]\n", "[session]\nsame_site = \"strict\"\n");
    let Some(strict) = House::start(strict) else { return };
    for (same_site, house) in [("lax", &world.house), ("strict", &strict)] {
        let welcome = house.gateway.url("/session/welcome");
        // An identity provider: its form leads to itself, and its answer back to the application.
        let back = world.stranger.redirect(&format!("/{same_site}/finish"), &welcome);
        let provider = world.stranger.page(
            &format!("/{same_site}/provider"),
            &format!(
                "<form action='{back}' method=post><button id=finish>Continue</button></form>
                 <a id=link href='{welcome}'>Pebble Bank</a>"
            ),
        );
        let browser = world.chromium.browser().await;
        let id = house.sign_in(&browser).await;
        for way in ["#link", "#finish"] {
            browser.visit(&provider).await;
            browser.find(Locator::Css(way)).await.unwrap().click().await.unwrap();
            browser
                .until(&format!("return location.href === '{welcome}' && document.readyState === 'complete'"))
                .await;
            if same_site == "lax" {
                assert_eq!(browser.until(NAME).await, "alice", "{way}");
            } else {
                let page = browser.source().await.unwrap();
                assert!(page.contains("auth.required"), "{way}: {page}");
            }
        }
        // It was only not sent.
        assert_eq!(cookie(&browser).await, Some(id), "{same_site}");
        browser.close().await;
    }
}

#[tokio::test]
async fn a_form_on_another_site_does_not_arrive_signed_in() {
    let Some((world, _guards)) = World::enter() else { return };
    // One route without CSRF defence, to see that the browser keeps the cookie to itself.
    let unguarded = "\n[[route]]\nmatch = \"POST /session/me\"\ndangerously_skip_csrf = true\n";
    let Some(house) = House::start(|policy| policy + unguarded) else { return };
    let browser = world.chromium.browser().await;
    let id = house.sign_in(&browser).await;
    // FastAPI's own word: this far comes a request that is signed in.
    let own = browser.run_async("return (await fetch('/session/me', { method: 'POST' })).status").await;
    assert_eq!(own, 405);
    for (path, code) in [("/session/me", "auth.required"), ("/session/logout", "csrf.cross-site")] {
        let target = house.gateway.url(path);
        let trap = world.stranger.page(
            &format!("/trap{path}"),
            &format!(
                "<form action='{target}' method=post></form><script>document.forms[0].submit()</script>"
            ),
        );
        browser.visit(&trap).await;
        browser
            .until(&format!("return location.href === '{target}' && document.readyState === 'complete'"))
            .await;
        let page = browser.source().await.unwrap();
        assert!(page.contains(code), "{path}: {page}");
    }
    // Nobody was signed out by it.
    assert_eq!(cookie(&browser).await.as_deref(), Some(&*id));
    assert_eq!(house.replay(&id).await.status, 200);
    browser.close().await;
}

#[tokio::test]
async fn logout_takes_the_cookie_and_ends_the_session() {
    let Some((world, _guards)) = World::enter() else { return };
    let browser = world.chromium.browser().await;
    let id = world.house.sign_in(&browser).await;
    assert_eq!(world.house.replay(&id).await.status, 200);

    browser.find(Locator::Css("#logout button")).await.unwrap().click().await.unwrap();
    browser.until("return Boolean(document.querySelector('#login'))").await;
    assert_eq!(cookie(&browser).await, None);
    assert_eq!(me(&browser).await, json!([401, "auth.required"]));
    let answer = world.house.replay(&id).await;
    assert_eq!((answer.status, &*answer.denial()), (401, "auth.invalid"));
    browser.close().await;
}

#[tokio::test]
async fn without_the_gateway_there_is_no_session_and_nobody_forges_one() {
    let Some((world, _guards)) = World::enter() else { return };
    let House { app, gateway } = &world.house;
    let form = [("username", "alice"), ("password", "wonderland")];
    // A client that talks to the application itself, and makes a nonce up.
    let login =
        HttpRequest::post(&app.url("/session/login")).header("bartizan-handoff", "made-up").form(&form);
    let login = login.send().await;
    assert_eq!((login.status, login.header("bartizan-login")), (303, "made-up alice"));
    assert_eq!(login.headers_named("set-cookie"), [""; 0]);
    let login = HttpRequest::post(&app.url("/session/login")).form(&form).send().await;
    assert_eq!(login.status, 422, "no hand-off where nobody offers one");

    // Right in everything but the signature.
    let keys = HttpRequest::get(&gateway.url("/.well-known/jwks.json")).send().await.json();
    let kid = &keys["keys"][0]["kid"];
    let issuer = gateway.url("");
    let forged = |algorithm: &str, signature: &str| {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({ "alg": algorithm, "typ": "bartizan-assertion+jwt", "kid": kid }));
        let (aud, exp) = ("bartizan-upstream", 4_000_000_000_u64);
        let claims = part(json!({ "iss": issuer, "aud": aud, "sub": "alice", "iat": 1, "exp": exp }));
        format!("{header}.{claims}.{signature}")
    };
    for assertion in [String::new(), forged("none", ""), forged("EdDSA", &"A".repeat(86))] {
        for base in [app.url(""), gateway.url("")] {
            let request = HttpRequest::get(&format!("{base}/session/me"));
            let answer = request.header("bartizan-assertion", &assertion).send().await;
            assert_eq!(answer.status, 401, "{base}: {assertion}");
        }
    }
    let browser = world.chromium.browser().await;
    browser.visit(&app.url("/session")).await;
    assert_eq!(me(&browser).await, json!([401, null]));
    browser.close().await;
}

#[tokio::test]
async fn who_guesses_passwords_is_stopped_and_nobody_else_is() {
    let proxied = "\n[proxy]\ntrusted = [\"127.0.0.1\"]\nforwarded = { for = \"x-forwarded-for\" }\n";
    let Some(house) = House::start(|policy| policy + proxied) else { return };
    let _guards = [house.app.log_on_failure(), house.gateway.log_on_failure()];
    let url = house.gateway.url("/session/login");
    let attempt = |password: &'static str, from: &str| {
        let request = HttpRequest::post(&url).header("x-forwarded-for", from);
        request.form(&[("username", "alice"), ("password", password)]).send()
    };
    for _ in 0..5 {
        let answer = attempt("looking-glass", "203.0.113.1").await;
        assert_eq!((answer.status, &answer.json()["detail"]), (401, &json!("Wrong name or password")));
        assert_eq!(answer.header("bartizan-login-failed"), "");
    }
    for password in ["looking-glass", "wonderland"] {
        let answer = attempt(password, "203.0.113.1").await;
        assert_eq!((answer.status, &*answer.denial()), (429, "rate.limited"), "{password}");
        let seconds: u32 = answer.header("retry-after").parse().unwrap();
        assert!((100..=180).contains(&seconds), "{seconds}");
        assert_eq!(answer.headers_named("set-cookie"), [""; 0], "{password}");
    }
    assert!(house.gateway.log().contains("session.login_protection.account"), "{}", house.gateway.log());

    let elsewhere = attempt("wonderland", "203.0.113.2").await;
    assert_eq!((elsewhere.status, elsewhere.headers_named("set-cookie").len()), (303, 1));

    // Many at once see no more than five answers; and the next no more than "later".
    let guesses: Vec<_> = (0..50).map(|_| tokio::spawn(attempt("looking-glass", "203.0.113.3"))).collect();
    let mut statuses = Vec::new();
    for guess in guesses {
        statuses.push(guess.await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [&[401; 5][..], &[429; 45]].concat());
    assert_eq!(attempt("wonderland", "203.0.113.3").await.status, 429);
}
