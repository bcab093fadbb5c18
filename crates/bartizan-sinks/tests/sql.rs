//! A bound value is a value, and a name is one of a list. That a formatted query does not compile is in
//! `tests/compile-fail`.
#![cfg(feature = "sql")]

use bartizan_sinks::sql::OrderBy;
use sqlx::{Connection as _, QueryBuilder, Row as _, Sqlite, SqliteConnection};

#[tokio::test]
async fn an_injection_is_a_value_like_any_other() {
    let mut database = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql("CREATE TABLE notes (name TEXT, owner TEXT)").execute(&mut database).await.unwrap();
    let hostile = [
        "' OR '1'='1",
        "'; DROP TABLE notes; --",
        "\" OR \"\"=\"",
        "') UNION SELECT sqlite_version() --",
        "%' --",
        "\\'; DELETE FROM notes",
        "1; ATTACH DATABASE '/tmp/x' AS x",
        "Robert'); DROP TABLE notes;--",
        "/**/",
        "\u{2019} OR 1=1 --",
        "admin'--",
        "x' AND 1=(SELECT COUNT(*) FROM notes) --",
    ];
    for name in hostile {
        let insert = sqlx::query("INSERT INTO notes (name, owner) VALUES (?, ?)").bind(name).bind("u-1");
        insert.execute(&mut database).await.unwrap();
    }
    for name in hostile {
        let select =
            sqlx::query("SELECT name FROM notes WHERE name = ? AND owner = ?").bind(name).bind("u-1");
        let rows = select.fetch_all(&mut database).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>(), [name]);
        let other = sqlx::query("SELECT name FROM notes WHERE owner = ?").bind(name);
        assert!(other.fetch_all(&mut database).await.unwrap().is_empty(), "{name}");
    }

    for (sort, first) in
        [("name", "\" OR \"\"=\""), ("-name", "\u{2019} OR 1=1 --"), ("owner,-name", "\u{2019} OR 1=1 --")]
    {
        let mut select = QueryBuilder::<Sqlite>::new("SELECT name FROM notes ");
        select.push(OrderBy::parse(sort, &["name", "owner"]).unwrap());
        let rows = select.build().fetch_all(&mut database).await.unwrap();
        assert_eq!((rows.len(), rows[0].get::<&str, _>(0)), (hostile.len(), first), "{sort}");
    }
    for sort in hostile {
        assert!(OrderBy::parse(sort, &["name", "owner"]).is_err(), "{sort}");
    }
}
