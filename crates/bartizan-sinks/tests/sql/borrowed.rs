//! The same by way of a reference.

fn main() {
    let name = std::env::args().next().unwrap_or_default();
    let query = String::from("SELECT * FROM notes WHERE name = '") + &name + "'";
    let _ = sqlx::query::<sqlx::Sqlite>(&query);
}
