//! Documents that are refused, and what is said of them.

use super::*;

/// Why `remote` has no keys.
async fn refusal(remote: &RemoteIssuer) -> Arc<RemoteIssuerError> {
    remote.load(START).await.unwrap_err().error.unwrap()
}

/// What the text of a refusal is, without the address.
fn shown(issuer: &Issuer, error: &RemoteIssuerError) -> String {
    error.to_string().replace(&issuer.url(""), "ISSUER")
}

#[tokio::test]
async fn a_document_that_is_no_set_of_keys_is_refused() {
    let issuer = Issuer::start().await;
    let redirect =
        |to: &str| Answer::raw(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"));
    let long = "x".repeat(fetch::LONGEST + 1);
    let fetched = "ISSUER/keys cannot be fetched: ";
    let set = "ISSUER/keys is no set of keys: ";
    for (answer, expected) in [
        (
            Answer::status("500 Internal Server Error"),
            format!("{fetched}it answers with status 500: see whether the address is right"),
        ),
        (
            Answer::status("204 No Content"),
            format!("{fetched}it answers with status 204: see whether the address is right"),
        ),
        (
            redirect(&issuer.url("/elsewhere")),
            format!(
                "{fetched}it redirects with status 302, which is not followed: name the address that it leads to"
            ),
        ),
        (Answer::document(&long), format!("{fetched}it is longer than 262144 bytes, which are read at most")),
        (
            // As long as it likes, without saying so.
            Answer::raw(format!("HTTP/1.1 200 OK\r\n\r\n{long}")).then_hang(),
            format!("{fetched}it is longer than 262144 bytes, which are read at most"),
        ),
        (
            Answer::raw(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40001\r\n{long}\r\n"))
                .then_hang(),
            format!("{fetched}it is longer than 262144 bytes, which are read at most"),
        ),
        (Answer::document("{\"keys\": [}"), format!("{set}the set is not one JSON object in UTF-8")),
        (Answer::document("<html>Sign in</html>"), format!("{set}the set is not one JSON object in UTF-8")),
        (
            Answer::document(r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#),
            format!(
                "{set}the set has a private or secret key: whoever published it must take it back, and make new keys"
            ),
        ),
        (Answer::document("").then_hang(), format!("{set}the set is not one JSON object in UTF-8")),
    ] {
        issuer.answer("/keys", answer);
        let error = refusal(&keys_of(&issuer)).await;
        assert_eq!(shown(&issuer, &error), expected);
        assert_eq!(issuer.take_asked(), ["/keys"]);
    }
}

#[tokio::test]
async fn an_exchange_that_breaks_is_told() {
    let issuer = Issuer::start().await;
    for answer in [
        "SSH-2.0-OpenSSH_9.9\r\n\r\n".to_owned(),
        String::new(),
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".into(),
        format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n{{}}", "x".repeat(100 * 1024)),
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}".into(),
    ] {
        issuer.answer("/keys", Answer::raw(answer.clone()));
        let error = refusal(&keys_of(&issuer)).await;
        assert!(
            matches!(&*error, RemoteIssuerError::Fetch { error: FetchError::Exchange(_), .. }),
            "{}: {error}",
            &answer[..answer.len().min(60)]
        );
    }
}

#[tokio::test]
async fn whoever_answers_slowly_is_not_waited_for() {
    let issuer = Issuer::start().await;
    let settings = RemoteKeySettings { deadline: Duration::from_millis(200), ..RemoteKeySettings::default() };
    for answer in
        ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"keys\""]
    {
        issuer.answer("/keys", Answer::raw(answer).then_hang());
        let remote = RemoteIssuer::with_keys_at("i", &issuer.url("/keys"), https(), settings).unwrap();
        let error = refusal(&remote).await;
        assert_eq!(
            error.to_string(),
            "it took more than 200 ms; see whether the issuer can be reached from here",
            "{answer:?}"
        );
    }
    // The deadline is that of all documents together.
    let document = format!(r#"{{"issuer":"{}","jwks_uri":"{}"}}"#, issuer.url(""), issuer.url("/keys"));
    issuer.answer("/.well-known/openid-configuration", Answer::document(&document));
    let remote = RemoteIssuer::new(&issuer.url(""), https(), settings).unwrap();
    assert!(matches!(*refusal(&remote).await, RemoteIssuerError::Slow(_)));
}

#[tokio::test]
async fn a_discovery_document_that_cannot_be_trusted_is_refused() {
    let issuer = Issuer::start().await;
    issuer.publish(&[&Signer::new("a")]);
    let name = issuer.url("/tenant");
    let (oidc, oauth) =
        ("/tenant/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/tenant");
    let says = |issuer: &str, keys: &str| {
        Answer::document(&format!(r#"{{"issuer":"{issuer}","jwks_uri":"{keys}"}}"#))
    };
    let good = says(&name, &issuer.url("/keys"));
    for (first, second, expected, asked) in [
        (
            says(&issuer.url("/tenant/"), &issuer.url("/keys")),
            good.clone(),
            "ISSUER/tenant/.well-known/openid-configuration does not say where the keys are: the document is of the \
             issuer `ISSUER/tenant/`, and `ISSUER/tenant` was asked for: the two must be the same to the letter",
            &[oidc][..],
        ),
        (
            Answer::document("{"),
            good.clone(),
            "ISSUER/tenant/.well-known/openid-configuration does not say where the keys are: the document is not one \
             JSON object in UTF-8",
            &[oidc],
        ),
        (
            Answer::raw("HTTP/1.1 301 Moved\r\nLocation: /keys\r\nContent-Length: 0\r\n\r\n"),
            good.clone(),
            "ISSUER/tenant/.well-known/openid-configuration cannot be fetched: it redirects with status 301, which is \
             not followed: name the address that it leads to",
            &[oidc],
        ),
        (
            Answer::status("503 Service Unavailable"),
            good.clone(),
            "ISSUER/tenant/.well-known/openid-configuration cannot be fetched: it answers with status 503: see whether \
             the address is right",
            &[oidc],
        ),
        (
            says(&name, "http://10.0.0.1/keys"),
            good,
            "the issuer's `jwks_uri` cannot be used: `http://10.0.0.1/keys` is not encrypted: write https; http is for \
             localhost, 127.0.0.0/8 and [::1]",
            &[oidc],
        ),
        (
            Answer::status("404 Not Found"),
            says(&issuer.url(""), &issuer.url("/keys")),
            "ISSUER/.well-known/oauth-authorization-server/tenant does not say where the keys are: the document is of \
             the issuer `ISSUER`, and `ISSUER/tenant` was asked for: the two must be the same to the letter",
            &[oidc, oauth],
        ),
        (
            Answer::status("404 Not Found"),
            Answer::status("404 Not Found"),
            "ISSUER/tenant/.well-known/openid-configuration cannot be fetched: it answers with status 404: see whether \
             the address is right",
            &[oidc, oauth],
        ),
    ] {
        issuer.answer(oidc, first);
        issuer.answer(oauth, second);
        let remote = RemoteIssuer::new(&name, https(), RemoteKeySettings::default()).unwrap();
        let error = refusal(&remote).await;
        assert_eq!(shown(&issuer, &error), expected);
        assert_eq!(issuer.take_asked(), asked);
    }
}

#[test]
fn an_address_that_nothing_is_fetched_from_is_refused_before_anything_runs() {
    let settings = RemoteKeySettings::default();
    let plain = |url: &str| Some(DocumentUrlFault::Plain(url.into()));
    assert_eq!(RemoteIssuer::new("http://i.example", https(), settings).err(), plain("http://i.example"));
    assert_eq!(
        RemoteIssuer::with_keys_at("i", "http://i.example/keys", https(), settings).err(),
        plain("http://i.example/keys")
    );
}
