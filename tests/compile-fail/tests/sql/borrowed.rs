//! The same by way of a reference.

fn find<DB: sqlx::Database>(name: &str) {
    let query = String::from("SELECT * FROM notes WHERE name = '") + name + "'";
    let _ = sqlx::query::<DB>(&query);
}

fn main() {}
