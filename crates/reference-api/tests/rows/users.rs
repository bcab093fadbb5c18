//! B5: users are found by what is bound to a statement.

use serde_json::json;

use crate::place::Place;

crate::rows![a_user_is_found_by_number_and_by_name];

async fn a_user_is_found_by_number_and_by_name(place: &Place) {
    let instance = place.start().await;
    assert_eq!(instance.client().get("/users/1").await.denial(), "auth.required");
    let alice = instance.signed_in("alice").await;
    let bob = json!({ "id": 2, "name": "bob", "display_name": "Bob Baker" });
    assert_eq!(alice.get("/users/2").await.json(), bob);
    assert_eq!(alice.get("/users?name=bob").await.json(), json!([bob]));
    assert_eq!(alice.get("/users?name=nobody").await.json(), json!([]));
    assert_eq!(alice.get("/users/4711").await.denial(), "not-found");
    for path in [
        "/users/one",
        "/users/1%20OR%201=1",
        "/users/-1",
        "/users/+1",
        "/users/1.0",
        "/users/99999999999999999999",
    ] {
        let response = alice.get(path).await;
        let errors = json!([{ "field": "id", "message": "has to be a whole number" }]);
        assert_eq!((response.status, response.json()["errors"].clone()), (422, errors), "{path}");
    }
    assert_eq!(alice.get("/users").await.status, 422);
    assert_eq!(alice.get("/users?name=a&nmae=b").await.status, 422);
}
