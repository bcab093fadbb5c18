//! What tutorials do: the value stands in the text of the query.

fn main() {
    let name = std::env::args().next().unwrap_or_default();
    let _ = sqlx::query::<sqlx::Sqlite>(format!("SELECT * FROM notes WHERE name = '{name}'"));
}
