//! Keys of an issuer that runs on this machine, changes them, fails and lies.

mod issuer;
mod refused;
mod tls;

use bartizan_core::jwt::{Rules, Token, TokenError};
use issuer::{Answer, Issuer, Signer};
use tokio::{sync::Semaphore, task::JoinSet};

use super::*;
use crate::BoxFuture;

const START: Timestamp = Timestamp(1_700_000_000_000);

fn at(seconds: u64) -> Timestamp {
    START.after(Duration::from_secs(seconds))
}

fn https() -> Arc<dyn FetchDocument> {
    Arc::new(HttpsFetch::new().unwrap())
}

/// Fetches the keys that `issuer` has at `/keys`.
fn keys_of(issuer: &Issuer) -> RemoteIssuer {
    RemoteIssuer::with_keys_at("i", &issuer.url("/keys"), https(), RemoteKeySettings::default()).unwrap()
}

/// What a request with this token is told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Good,
    Refused(TokenError),
    Unavailable,
}

async fn tell(remote: &RemoteIssuer, token: &str, now: Timestamp) -> Told {
    let token = Token::parse(token.as_bytes()).unwrap();
    let verified = match remote.key(token.kid().unwrap(), token.algorithm(), now).await {
        Ok(Some(key)) => token.verify(&key, &Rules::new("i", "a"), now),
        Ok(None) => Err(TokenError::KeyUnknown),
        Err(_) => return Told::Unavailable,
    };
    verified.map_or_else(Told::Refused, |_| Told::Good)
}

#[tokio::test]
async fn an_issuer_is_discovered_and_its_token_verified() {
    let issuer = Issuer::start().await;
    let signer = Signer::new("a");
    issuer.publish(&[&signer]);
    for (path, asked) in [
        ("/.well-known/openid-configuration", &["/.well-known/openid-configuration", "/keys"][..]),
        (
            "/.well-known/oauth-authorization-server",
            &["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/keys"],
        ),
    ] {
        let document = format!(r#"{{"issuer":"{}","jwks_uri":"{}"}}"#, issuer.url(""), issuer.url("/keys"));
        issuer.answer(path, Answer::document(&document));
        let remote = RemoteIssuer::new(&issuer.url(""), https(), RemoteKeySettings::default()).unwrap();
        assert_eq!(issuer.take_asked(), [""; 0]);
        assert_eq!(tell(&remote, &signer.token(), START).await, Told::Good);
        assert_eq!(tell(&remote, &signer.token(), at(1)).await, Told::Good);
        // The same name is not the same key.
        assert_eq!(
            tell(&remote, &Signer::new("a").token(), at(1)).await,
            Told::Refused(TokenError::Signature)
        );
        assert_eq!(issuer.take_asked(), asked);
        issuer.answer(path, Answer::status("404 Not Found"));
    }
}

#[tokio::test]
async fn the_response_says_how_long_keys_are_fresh() {
    let issuer = Issuer::start().await;
    let signer = Signer::new("a");
    let body = issuer::set(&[&signer]);
    issuer.answer("/keys", Answer::with_headers("Cache-Control: public, max-age=120\r\nAge: 20\r\n", &body));
    let remote = keys_of(&issuer);
    assert_eq!(tell(&remote, &signer.token(), START).await, Told::Good);
    assert_eq!(tell(&remote, &signer.token(), at(99)).await, Told::Good);
    assert_eq!(issuer.take_asked().len(), 1);
    // In the background; the next after the pause waits for it.
    assert_eq!(tell(&remote, &signer.token(), at(100)).await, Told::Good);
    assert_eq!(tell(&remote, &signer.token(), at(130)).await, Told::Good);
    assert_eq!(issuer.take_asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_change_while_requests_run() {
    let issuer = Issuer::start().await;
    let remote = keys_of(&issuer);
    let cooldown = RemoteKeySettings::default().cooldown.as_secs();
    let (mut current, mut before) = (Signer::new("0"), Signer::new("before"));
    issuer.publish(&[&before, &current]);
    let (mut changed, mut late) = (0, 0);
    for second in 0..1000 {
        // An issuer that signs with a key as soon as it has published it, and takes the last one back.
        if second % 97 == 96 {
            before = std::mem::replace(&mut current, Signer::new(&second.to_string()));
            issuer.publish(&[&before, &current]);
            changed = second;
        }
        let mut requests = JoinSet::new();
        for token in [current.token(), before.token(), current.token()] {
            let remote = remote.clone();
            requests.spawn(async move { (tell(&remote, &token, at(second)).await, true) });
        }
        // Beside one that makes names up.
        let (remote, junk) = (remote.clone(), Signer::new(&format!("junk-{second}")).token());
        requests.spawn(async move { (tell(&remote, &junk, at(second)).await, false) });
        while let Some(told) = requests.join_next().await {
            match told.unwrap() {
                (Told::Good, true) | (Told::Refused(TokenError::KeyUnknown), false) => {}
                (Told::Refused(TokenError::KeyUnknown), true) if second < changed + cooldown => late += 1,
                other => panic!("second {second}, changed at {changed}: {other:?}"),
            }
        }
    }
    // The one with the names had the fetch before the new key, at times.
    assert!(late > 0);
    assert_eq!(issuer.take_asked().len(), 1000_usize.div_ceil(30));
}

#[tokio::test]
async fn a_new_key_is_found_at_once_where_nobody_makes_names_up() {
    let issuer = Issuer::start().await;
    let remote = keys_of(&issuer);
    let mut before = Signer::new("before");
    issuer.publish(&[&before]);
    for number in 0..20 {
        let signer = Signer::new(&number.to_string());
        issuer.publish(&[&before, &signer]);
        for second in [0, 1, 200] {
            let now = at(number * 300 + second);
            assert_eq!(tell(&remote, &signer.token(), now).await, Told::Good, "{number} {second}");
            assert_eq!(tell(&remote, &before.token(), now).await, Told::Good, "{number} {second}");
        }
        before = signer;
    }
    assert_eq!(issuer.take_asked().len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_names_at_once_are_one_fetch() {
    let issuer = Issuer::start().await;
    let signer = Signer::new("a");
    issuer.publish(&[&signer]);
    let remote = keys_of(&issuer);
    for (second, fetches) in [(0, 1), (0, 0), (29, 0), (30, 1), (31, 0), (60, 1)] {
        let mut requests = JoinSet::new();
        for number in 0..10_000 {
            let remote = remote.clone();
            requests.spawn(async move {
                remote.key(&format!("{second}-{number}"), Algorithm::EdDsa, at(second)).await.unwrap()
            });
        }
        for found in requests.join_all().await {
            assert_eq!(found, None);
        }
        assert_eq!(issuer.take_asked().len(), fetches, "second {second}");
        assert_eq!(tell(&remote, &signer.token(), at(second)).await, Told::Good);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_flood_of_names_is_one_fetch_in_a_cooldown() {
    let issuer = Issuer::start().await;
    issuer.publish(&[&Signer::new("a")]);
    let remote = keys_of(&issuer);
    // 100 each three seconds, for 300 seconds.
    for second in (0..300).step_by(3) {
        let mut requests = JoinSet::new();
        for number in 0..100 {
            let remote = remote.clone();
            let now = at(second).after(Duration::from_millis(number * 30));
            let kid = format!("{second}-{number}");
            requests.spawn(async move { remote.key(&kid, Algorithm::EdDsa, now).await.unwrap() });
        }
        assert!(requests.join_all().await.iter().all(Option::is_none));
    }
    // The times of a batch come in any order.
    assert!((9..=10).contains(&issuer.take_asked().len()));
}

#[tokio::test]
async fn an_issuer_goes_and_comes_back() {
    let issuer = Issuer::start().await;
    let address = issuer.address();
    let signer = Signer::new("a");
    issuer.publish(&[&signer]);
    let remote = keys_of(&issuer);
    assert_eq!(tell(&remote, &signer.token(), START).await, Told::Good);
    drop(issuer);
    // Within freshness, within the hour after it, and after that.
    for (second, expected) in [
        (599, Told::Good),
        (600, Told::Good),
        (4199, Told::Good),
        (4200, Told::Unavailable),
        (5000, Told::Unavailable),
    ] {
        assert_eq!(tell(&remote, &signer.token(), at(second)).await, expected, "{second}");
    }
    let error = remote.load(at(5000)).await.unwrap_err();
    assert!(
        error.to_string().starts_with(&format!(
            "the keys of `i` cannot be had: http://{address}/keys cannot be fetched: nobody answers there: "
        )),
        "{error}"
    );
    let issuer = Issuer::start_at(address).await;
    let next = Signer::new("b");
    issuer.publish(&[&next]);
    assert_eq!(tell(&remote, &next.token(), at(5030)).await, Told::Good);
    // It came back without the key that it had.
    assert_eq!(tell(&remote, &signer.token(), at(5030)).await, Told::Refused(TokenError::KeyUnknown));
}

/// Waits for a permit, then brings a set with one key, `a`; panics while it is told to.
struct Gate {
    permits: Semaphore,
    fetches: Mutex<u32>,
    panics: Mutex<bool>,
}

impl Gate {
    fn new(permits: usize) -> Arc<Self> {
        Arc::new(Self { permits: Semaphore::new(permits), fetches: Mutex::new(0), panics: Mutex::new(false) })
    }

    fn remote(self: &Arc<Self>) -> RemoteIssuer {
        let fetch: Arc<dyn FetchDocument> = Arc::<Self>::clone(self);
        RemoteIssuer::with_keys_at("i", "https://i.example/keys", fetch, RemoteKeySettings::default())
            .unwrap()
    }

    fn fetches(&self) -> u32 {
        *self.fetches.lock().unwrap()
    }
}

impl FetchDocument for Gate {
    fn fetch<'f>(&'f self, _: &'f DocumentUrl) -> BoxFuture<'f, Result<Document, FetchError>> {
        Box::pin(async {
            *self.fetches.lock().unwrap() += 1;
            self.permits.acquire().await.unwrap().forget();
            assert!(!*self.panics.lock().unwrap(), "the client panics");
            Ok(Document::new(issuer::set(&[&Signer::new("a")])))
        })
    }
}

#[tokio::test]
async fn a_request_that_goes_away_leaves_the_fetch_to_those_who_wait() {
    let gate = Gate::new(0);
    let remote = gate.remote();
    let ask = |kid: &'static str| {
        let remote = remote.clone();
        tokio::spawn(async move { remote.key(kid, Algorithm::EdDsa, START).await })
    };
    let first = ask("a");
    while gate.fetches() == 0 {
        tokio::task::yield_now().await;
    }
    let others = [ask("a"), ask("b"), ask("a")];
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    gate.permits.add_permits(1);
    let mut found = Vec::new();
    for other in others {
        found.push(other.await.unwrap().unwrap().is_some());
    }
    assert_eq!(found, [true, false, true]);
    assert_eq!(gate.fetches(), 1);
}

#[tokio::test]
async fn whoever_has_a_key_does_not_wait_for_a_refresh() {
    let gate = Gate::new(1);
    let remote = gate.remote();
    remote.load(START).await.unwrap();
    for second in [600, 610, 629] {
        assert!(remote.key("a", Algorithm::EdDsa, at(second)).await.unwrap().is_some());
    }
    while gate.fetches() < 2 {
        tokio::task::yield_now().await;
    }
    gate.permits.add_permits(1);
    // This one waits for the refresh that runs.
    assert!(remote.key("a", Algorithm::EdDsa, at(630)).await.unwrap().is_some());
    assert_eq!(gate.fetches(), 2);
}

#[tokio::test]
async fn a_client_that_panics_breaks_one_fetch() {
    let gate = Gate::new(2);
    *gate.panics.lock().unwrap() = true;
    let remote = gate.remote();
    let error = remote.load(START).await.unwrap_err();
    assert!(matches!(error.error.as_deref(), Some(RemoteIssuerError::BrokenOff)), "{error}");
    *gate.panics.lock().unwrap() = false;
    remote.load(at(1)).await.unwrap();
}
