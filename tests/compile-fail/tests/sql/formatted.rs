//! What tutorials do: the value stands in the text of the query.

fn find<DB: sqlx::Database>(name: &str) {
    let _ = sqlx::query::<DB>(format!("SELECT * FROM notes WHERE name = '{name}'"));
}

fn main() {}
