//! The statements about preferences.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Database, DatabaseError, in_transaction, on};

/// What somebody likes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Preferences {
    /// How pages look.
    pub(crate) theme: Theme,
    /// The language, as a tag such as `en` or `pt-BR`.
    #[schema(example = "en")]
    pub(crate) language: String,
    /// Whether news are wanted.
    pub(crate) newsletter: bool,
}

/// What of it is to change.
#[derive(Clone, Debug, ToSchema)]
pub(crate) struct PreferencesChange {
    /// How pages look.
    pub(crate) theme: Option<Theme>,
    /// The language, as a tag such as `en` or `pt-BR`.
    #[schema(min_length = 2, max_length = 35, example = "en")]
    pub(crate) language: Option<String>,
    /// Whether news are wanted.
    pub(crate) newsletter: Option<bool>,
}

/// How pages look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
    /// As the system is.
    System,
}

impl Theme {
    /// The words that it is written by.
    pub(crate) const WORDS: [(&'static str, Self); 3] =
        [("light", Self::Light), ("dark", Self::Dark), ("system", Self::System)];

    fn word(self) -> &'static str {
        Self::WORDS.into_iter().find(|(_, theme)| *theme == self).map_or("system", |(word, _)| word)
    }
}

impl Default for Preferences {
    fn default() -> Self {
        Self { theme: Theme::System, language: "en".to_owned(), newsletter: false }
    }
}

const FIND: &str = "SELECT theme, language, newsletter FROM preference WHERE account = $1";

type Row = (String, String, bool);

impl Database {
    /// The preferences of an account; the usual ones where it has none.
    pub(crate) async fn preferences(&self, account: i64) -> Result<Preferences, DatabaseError> {
        let row: Option<Row> =
            on!(self, pool => sqlx::query_as(FIND).bind(account).fetch_optional(pool).await?);
        row.map_or_else(|| Ok(Preferences::default()), preferences)
    }

    /// Keeps what is to change, and gives back all preferences of the account. Of two changes at once neither undoes what
    /// the other does not name.
    pub(crate) async fn change_preferences(
        &self,
        account: i64,
        change: &PreferencesChange,
    ) -> Result<Preferences, DatabaseError> {
        const KEEP: &str = "INSERT INTO preference (account, theme, language, newsletter) \
                            VALUES ($1, COALESCE($2, $5), COALESCE($3, $6), COALESCE($4, $7)) \
                            ON CONFLICT (account) DO UPDATE SET theme = COALESCE($2, preference.theme), \
                            language = COALESCE($3, preference.language), \
                            newsletter = COALESCE($4, preference.newsletter)";
        let usual = Preferences::default();
        let row: Row = in_transaction!(self, connection => {
            sqlx::query(KEEP)
                .bind(account)
                .bind(change.theme.map(Theme::word))
                .bind(change.language.clone())
                .bind(change.newsletter)
                .bind(usual.theme.word())
                .bind(usual.language.clone())
                .bind(usual.newsletter)
                .execute(&mut **connection)
                .await?;
            sqlx::query_as(FIND).bind(account).fetch_one(&mut **connection).await?
        });
        preferences(row)
    }
}

fn preferences((word, language, newsletter): Row) -> Result<Preferences, DatabaseError> {
    let theme = Theme::WORDS.into_iter().find(|(known, _)| *known == word).map(|(_, theme)| theme);
    let theme = theme.ok_or(DatabaseError::Foreign("a theme that there is not"))?;
    Ok(Preferences { theme, language, newsletter })
}
