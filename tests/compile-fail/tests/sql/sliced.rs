//! And by way of a slice, which is a `&str` like that of a literal, but does not live as long.

fn find<DB: sqlx::Database>(name: &str) {
    let query = String::from("SELECT * FROM notes WHERE name = '") + name + "'";
    let _ = sqlx::query::<DB>(query.as_str());
}

fn main() {}
