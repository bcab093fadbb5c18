//! B4: comments are kept as they were written, and nothing in them runs.

use serde_json::json;

use crate::place::Place;

crate::rows![
    a_comment_is_kept_raw_and_shown_safe,
    the_page_shows_them_under_a_policy_that_runs_nothing_of_theirs
];

const HOSTILE: &str = "I <b>love</b> it<script>steal()</script> <a href=\"javascript:steal()\">x</a><img src=x onerror=steal()>";

async fn a_comment_is_kept_raw_and_shown_safe(place: &Place) {
    let instance = place.start().await;
    let anybody = instance.client();
    assert_eq!(anybody.post("/comments", &json!({ "text": "hello" })).await.denial(), "auth.required");
    assert_eq!(anybody.get("/comments").await.json(), json!([]));

    let alice = instance.signed_in("alice").await;
    let response = alice.post("/comments", &json!({ "text": HOSTILE })).await;
    assert_eq!(response.status, 201, "{}", response.text());
    let kept = response.json();
    assert_eq!((&kept["text"], &kept["author"]), (&json!(HOSTILE), &json!("alice")));
    assert_eq!(kept["html"], "I love it x");
    let response = alice.post("/comments", &json!({ "text": HOSTILE, "html": "allow-list" })).await;
    let allowed = response.json()["html"].as_str().unwrap().to_owned();
    assert!(allowed.starts_with("I <b>love</b> it"), "{allowed}");

    // Whoever reads chooses how; both are kept to the letter.
    let list = anybody.get("/comments").await;
    assert_eq!(list.header("content-type"), "application/json");
    for comment in list.json().as_array().unwrap() {
        assert_eq!((&comment["text"], &comment["html"]), (&json!(HOSTILE), &json!("I love it x")));
    }
    let rich = anybody.get("/comments?html=allow-list&limit=1").await.json();
    assert_eq!((rich.as_array().unwrap().len(), &rich[0]["html"]), (1, &json!(allowed)));
    assert!(!allowed.contains("script") && !allowed.contains("onerror"), "{allowed}");
    assert_eq!(anybody.get("/comments?html=raw").await.status, 422);
    assert_eq!(anybody.get("/comments?limit=1&limit=2").await.status, 422);

    for (text, status) in [
        ("", 422),
        ("a\u{0}b", 422),
        ("line\nbreak\ttab", 201),
        (&"x".repeat(10_001), 422),
        ("Grüße 🙂 ' \" ; --", 201),
    ] {
        assert_eq!(alice.post("/comments", &json!({ "text": text })).await.status, status, "{text:?}");
    }
}

async fn the_page_shows_them_under_a_policy_that_runs_nothing_of_theirs(place: &Place) {
    let instance = place.start().await;
    let mallory = instance.signed_in("mallory").await;
    mallory.post("/comments", &json!({ "text": HOSTILE })).await;
    for (variant, expected) in [("", "<div>I love it x</div>"), ("?html=allow-list", "<div>I <b>love</b> it")]
    {
        let page = instance.client().get(&format!("/comments/page{variant}")).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
        let text = page.text();
        assert!(text.contains(expected), "{text}");
        assert!(
            !text.contains("<script") && !text.contains("onerror") && !text.contains("javascript:"),
            "{text}"
        );
        let csp = page.header("content-security-policy");
        assert!(csp.starts_with("default-src 'none'; script-src 'self'"), "{csp}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
    }
}
