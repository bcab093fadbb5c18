//! And by way of a slice, which is a `&str` like that of a literal, but does not live as long.

fn main() {
    let name = std::env::args().next().unwrap_or_default();
    let query = String::from("SELECT * FROM notes WHERE name = '") + &name + "'";
    let _ = sqlx::query::<sqlx::Sqlite>(query.as_str());
}
