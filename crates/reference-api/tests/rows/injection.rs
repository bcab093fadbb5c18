//! SQL in every parameter changes nothing, and comes back as the text that it is.

use http::Method;
use serde_json::json;

use reference_api::DatabaseSettings;

use crate::{client::Client, instance::Instance, money::token, place::Place};

crate::rows![sql_in_any_parameter_changes_nothing];

const INJECTIONS: [&str; 9] = [
    "' OR '1'='1",
    "' OR 1=1 --",
    "'; DROP TABLE account; --",
    "\"; DROP TABLE comment; --",
    "1; UPDATE account SET balance = 0",
    "') UNION SELECT 1, name, password FROM account --",
    "\\'; DELETE FROM transfer; --",
    "$1 ?1 :name @name",
    "%' AND (SELECT count(*) FROM account) > 0 --",
];

async fn sql_in_any_parameter_changes_nothing(place: &Place) {
    let instance = place.start().await;
    let alice = instance.signed_in("alice").await;
    let right = json!({ "theme": "dark", "language": "en", "newsletter": false });
    alice.post("/prefs/1", &right).await;
    alice.post("/comments", &json!({ "text": "first" })).await;
    let before = dump(&instance).await;
    assert!(before.contains("Alice Anderson") && before.contains("first"), "{before}");

    for (round, sql) in INJECTIONS.into_iter().enumerate() {
        for (path, expected) in parameters(sql) {
            let response = alice.get(&path).await;
            assert!(expected.contains(&response.status), "{path}: {} {}", response.status, response.text());
            assert!(
                !response.text().contains("argon2") && !response.text().contains("SQL"),
                "{}",
                response.text()
            );
        }
        let bodies = [
            ("/prefs/1", json!({ "theme": sql, "language": "en", "newsletter": false })),
            ("/prefs/1", json!({ "theme": "dark", "language": sql, "newsletter": sql })),
            ("/comments", json!({ "text": sql, "html": sql })),
            ("/token", json!({ "scope": sql })),
            ("/token", json!({ "username": sql, "password": sql })),
            ("/api-keys/rotate", json!({ "id": sql })),
            ("/api-keys", json!({ "name": "x", "scopes": [sql] })),
        ];
        for (path, body) in bodies {
            let status = alice.post(path, &body).await.status;
            assert!(matches!(status, 401 | 404 | 422 | 429), "{path} {body}: {status}");
        }
        for body in [json!({ "to": sql, "amount": 1 }), json!({ "to": "bob", "amount": sql })] {
            let fresh = token(&alice).await;
            let request = alice.request(Method::POST, "/transfer").header("x-csrf-token", &fresh).json(&body);
            assert_eq!(alice.send(request).await.status, 422, "{body}");
        }
        // Each from an account of its own, or the login's limits would answer.
        let login = json!({ "username": format!("{sql}{round}"), "password": sql });
        let status = instance.client().post("/login", &login).await.status;
        assert!(matches!(status, 401 | 429), "{login}: {status}");
    }
    assert_eq!(dump(&instance).await, before);

    // Where a text is to be kept it is kept to the letter, and nothing else changes.
    for sql in INJECTIONS {
        let response = alice.post("/comments", &json!({ "text": sql })).await;
        assert_eq!((response.status, response.json()["text"].clone()), (201, json!(sql)));
    }
    let kept = alice.get("/comments").await.json();
    let kept: Vec<&str> =
        kept.as_array().unwrap().iter().map(|comment| comment["text"].as_str().unwrap()).collect();
    let mut expected = vec!["first"];
    expected.extend(INJECTIONS);
    expected.reverse();
    assert_eq!(kept, expected);
    assert_eq!(balances(&alice).await, json!(1000));
}

/// Every parameter of a path or a query, with the statuses that may come back.
fn parameters(sql: &str) -> Vec<(String, &'static [u16])> {
    let encoded = sql.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
    // The firewall refuses some of these characters in a path.
    let query = |path: &str| format!("{path}{encoded}");
    vec![
        (query("/users/"), &[400, 422]),
        (query("/prefs/"), &[400, 422]),
        (query("/files/"), &[400, 404]),
        (query("/users?name="), &[200]),
        (query("/users?"), &[422]),
        (query("/comments?before="), &[422]),
        (query("/comments?limit="), &[422]),
        (query("/comments?html="), &[422]),
        (query("/comments/page?html="), &[422]),
        (query("/ping?host="), &[400, 429]),
    ]
}

async fn balances(client: &Client) -> serde_json::Value {
    client.get("/profile").await.json()["balance"].clone()
}

/// All that the tables hold, and what they are.
async fn dump(instance: &Instance) -> String {
    const ROWS: [&str; 4] = [
        "SELECT id || ' ' || name || ' ' || display_name || ' ' || password || ' ' || scopes || ' ' || balance \
         FROM account ORDER BY id",
        "SELECT account || ' ' || theme || ' ' || language || ' ' || newsletter FROM preference ORDER BY account",
        "SELECT id || ' ' || author || ' ' || body || ' ' || written FROM comment ORDER BY id",
        "SELECT id || ' ' || sender || ' ' || recipient || ' ' || amount FROM transfer ORDER BY id",
    ];
    const SQLITE: &str = "SELECT name || ' ' || sql FROM sqlite_schema ORDER BY name";
    const POSTGRES: &str = "SELECT table_name || ' ' || column_name || ' ' || data_type FROM information_schema.columns \
                            WHERE table_schema = 'public' ORDER BY 1";
    let schema = match &instance.database {
        DatabaseSettings::Sqlite => SQLITE,
        DatabaseSettings::Postgres(_) => POSTGRES,
    };
    let mut lines = Vec::new();
    for sql in ROWS.into_iter().chain([schema]) {
        lines.extend(instance.texts(sql).await);
    }
    lines.join("\n")
}
