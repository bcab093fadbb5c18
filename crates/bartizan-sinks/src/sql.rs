//! Names of columns and tables that a client chooses: from a list, and quoted.
//!
//! A *value* never stands in the text of a query: it is bound, and `sqlx` takes only text that stands in the source
//! (`SqlSafeStr`), so that a formatted query does not compile. A *name* cannot be bound. Where a client chooses one,
//! to sort by it, it is looked up in a list that stands in the source; what comes back is the entry of the list, not
//! what the client sent.
//!
//! ```
//! use bartizan_sinks::sql::OrderBy;
//! use sqlx::{QueryBuilder, Sqlite};
//!
//! # fn main() -> Result<(), bartizan_sinks::sql::IdentifierError> {
//! let order = OrderBy::parse("-created,name", &["name", "created"])?; // from `?sort=-created,name`
//! let mut query = QueryBuilder::<Sqlite>::new("SELECT name FROM notes WHERE owner = ");
//! query.push_bind("u-1").push(" ").push(&order).push(" LIMIT ").push_bind(20);
//! let sql = r#"SELECT name FROM notes WHERE owner = ? ORDER BY "created" DESC, "name" ASC LIMIT ?"#;
//! assert_eq!(query.sql().as_str(), sql);
//! assert!(OrderBy::parse("name; DROP TABLE notes", &["name", "created"]).is_err());
//! # Ok(())
//! # }
//! ```
//!
//! `QueryBuilder::push` takes any text: give it only text of the source and what this module makes, and values to
//! `push_bind`. That a formatted query does not compile, see:
//!
//! ```compile_fail,E0277
//! let name = "x' OR '1'='1"; // from a client
//! let query = sqlx::query::<sqlx::Sqlite>(format!("SELECT * FROM notes WHERE name = '{name}'"));
//! ```

use std::fmt;

/// The longest name that PostgreSQL keeps, in bytes (`NAMEDATALEN`).
const LONGEST: usize = 63;

/// The name of a table or of a column, from a list of the application's own.
///
/// It is shown as a quoted identifier of standard SQL, as PostgreSQL and SQLite read it: in double quotes, which are
/// doubled within. In PostgreSQL a quoted name has its case: the list has to have it as the table does. SQLite takes a
/// quoted name that no column has for a text, without an error.
///
/// ```
/// use bartizan_sinks::sql::Identifier;
///
/// let column = Identifier::of("price", &["name", "price"])?;
/// assert_eq!(column.to_string(), r#""price""#);
/// assert_eq!(column.name(), "price");
/// assert!(Identifier::of("password", &["name", "price"]).is_err());
/// # Ok::<(), bartizan_sinks::sql::IdentifierError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identifier(&'static str);

/// How the rows are sorted: by columns that a client chose from a list.
///
/// ```
/// use bartizan_sinks::sql::OrderBy;
///
/// let order = OrderBy::parse("name", &["name", "price"])?;
/// assert_eq!(order.to_string(), r#"ORDER BY "name" ASC"#);
/// # Ok::<(), bartizan_sinks::sql::IdentifierError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderBy(Vec<(Identifier, Direction)>);

/// From which end rows are sorted.
///
/// ```
/// use bartizan_sinks::sql::Direction;
///
/// assert_eq!((Direction::Ascending.to_string(), Direction::Descending.to_string()), ("ASC".into(), "DESC".into()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The least first.
    Ascending,
    /// The greatest first.
    Descending,
}

/// Why a name is not taken.
///
/// ```
/// use bartizan_sinks::sql::{Identifier, IdentifierError};
///
/// let refused = Identifier::of("id; --", &["name", "price"]).unwrap_err();
/// assert_eq!(refused.to_string(), "\"id; --\" is not one of name, price");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentifierError {
    /// It is not in the list.
    #[error("{name:?} is not one of {}", allowed.join(", "))]
    NotAllowed {
        /// What was asked for, cut to 64 characters.
        name: String,
        /// What may be asked for.
        allowed: Vec<&'static str>,
    },
    /// The list has a name that is none: empty, longer than 63 bytes, or with a NUL.
    #[error("the list of names has {name:?}: a name has 1 to 63 bytes, and no NUL")]
    Unfit {
        /// The name.
        name: &'static str,
    },
    /// The same column is there twice.
    #[error("{name} is there twice: sort by it once")]
    Twice {
        /// The column.
        name: &'static str,
    },
}

impl Identifier {
    /// Finds a name in the list. It must be there as it is: no case is folded, and no space is cut off.
    ///
    /// ```
    /// # use bartizan_sinks::sql::Identifier;
    /// assert!(Identifier::of("name", &["name"]).is_ok());
    /// assert!(Identifier::of("NAME", &["name"]).is_err());
    /// ```
    pub fn of(name: &str, allowed: &[&'static str]) -> Result<Self, IdentifierError> {
        let Some(&found) = allowed.iter().find(|&&allowed| allowed == name) else {
            let name = name.chars().take(64).collect();
            return Err(IdentifierError::NotAllowed { name, allowed: allowed.to_vec() });
        };
        if found.is_empty() || found.len() > LONGEST || found.contains('\0') {
            return Err(IdentifierError::Unfit { name: found });
        }
        Ok(Self(found))
    }

    /// The name as it stands in the list, without quotes.
    ///
    /// ```
    /// # use bartizan_sinks::sql::Identifier;
    /// assert_eq!(Identifier::of("name", &["name"]).unwrap().name(), "name");
    /// ```
    pub fn name(&self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

impl OrderBy {
    /// Reads columns from the list, joined by commas; a `-` before one turns it around. There is at least one, and
    /// none twice.
    ///
    /// ```
    /// # use bartizan_sinks::sql::{IdentifierError, OrderBy};
    /// let columns = &["name", "price"];
    /// assert_eq!(OrderBy::parse("-price,name", columns)?.to_string(), r#"ORDER BY "price" DESC, "name" ASC"#);
    /// assert_eq!(OrderBy::parse("name,-name", columns), Err(IdentifierError::Twice { name: "name" }));
    /// # Ok::<(), IdentifierError>(())
    /// ```
    pub fn parse(text: &str, allowed: &[&'static str]) -> Result<Self, IdentifierError> {
        let mut columns: Vec<(Identifier, Direction)> = Vec::new();
        for column in text.split(',') {
            let (column, direction) = match column.strip_prefix('-') {
                Some(column) => (column, Direction::Descending),
                None => (column, Direction::Ascending),
            };
            let column = Identifier::of(column, allowed)?;
            // Which also bounds how many there are.
            if columns.iter().any(|&(other, _)| other == column) {
                return Err(IdentifierError::Twice { name: column.name() });
            }
            columns.push((column, direction));
        }
        Ok(Self(columns))
    }

    /// The columns, the first of which decides first.
    ///
    /// ```
    /// # use bartizan_sinks::sql::{Direction, OrderBy};
    /// let order = OrderBy::parse("-price", &["price"])?;
    /// let [(column, direction)] = order.columns() else { unreachable!() };
    /// assert_eq!((column.name(), *direction), ("price", Direction::Descending));
    /// # Ok::<(), bartizan_sinks::sql::IdentifierError>(())
    /// ```
    pub fn columns(&self) -> &[(Identifier, Direction)] {
        &self.0
    }
}

impl fmt::Display for OrderBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (column, direction)) in self.0.iter().enumerate() {
            write!(f, "{} {column} {direction}", if index == 0 { "ORDER BY" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ascending => "ASC",
            Self::Descending => "DESC",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_entry_of_the_list_comes_back() {
        let allowed = &["name", "price", "a\"b", "Ünder"];
        for (name, quoted) in
            [("name", "\"name\""), ("price", "\"price\""), ("a\"b", "\"a\"\"b\""), ("Ünder", "\"Ünder\"")]
        {
            assert_eq!(
                Identifier::of(name, allowed).map(|found| found.to_string()),
                Ok(quoted.to_owned()),
                "{name}"
            );
        }
        for name in [
            "",
            " name",
            "name ",
            "NAME",
            "nam",
            "names",
            "name--",
            "name;",
            "\"name\"",
            "name\0",
            "(SELECT 1)",
            "1",
            "*",
            "rowid",
            "CASE WHEN 1 THEN name END",
        ] {
            let refused = IdentifierError::NotAllowed { name: name.to_owned(), allowed: allowed.to_vec() };
            assert_eq!(Identifier::of(name, allowed), Err(refused), "{name}");
        }
    }

    #[test]
    fn a_list_of_names_has_only_names() {
        const LONG: &str = "a123456789b123456789c123456789d123456789e123456789f123456789g123";
        for name in ["", "a\0b", LONG] {
            assert_eq!(Identifier::of(name, &["a", "", "a\0b", LONG]), Err(IdentifierError::Unfit { name }));
        }
        assert!(Identifier::of(&LONG[1..], &[&LONG[1..]]).is_ok());
    }

    #[test]
    fn rows_are_sorted_by_columns_of_the_list_each_once() {
        let allowed = &["name", "price"];
        for (text, order) in [
            ("name", "ORDER BY \"name\" ASC"),
            ("-name", "ORDER BY \"name\" DESC"),
            ("price,-name", "ORDER BY \"price\" ASC, \"name\" DESC"),
        ] {
            assert_eq!(
                OrderBy::parse(text, allowed).map(|order| order.to_string()),
                Ok(order.to_owned()),
                "{text}"
            );
        }
        for text in
            ["", ",", "name,", "--name", "- name", "name desc", "name DESC", "name;price", "name,(SELECT 1)"]
        {
            let refused = OrderBy::parse(text, allowed);
            assert!(matches!(refused, Err(IdentifierError::NotAllowed { .. })), "{text}: {refused:?}");
        }
        let many = "name,".repeat(10_000);
        for text in ["name,name", "name,-name", "price,name,price", many.as_str()] {
            assert!(matches!(OrderBy::parse(text, allowed), Err(IdentifierError::Twice { .. })), "{text}");
        }
    }
}
