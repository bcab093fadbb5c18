//! The statements about preferences.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Database, DatabaseError, on};

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

impl Database {
    /// The preferences of an account; the usual ones where it has none.
    pub(crate) async fn preferences(&self, account: i64) -> Result<Preferences, DatabaseError> {
        const FIND: &str = "SELECT theme, language, newsletter FROM preference WHERE account = $1";
        let row: Option<(String, String, bool)> =
            on!(self, pool => sqlx::query_as(FIND).bind(account).fetch_optional(pool).await?);
        let Some((word, language, newsletter)) = row else { return Ok(Preferences::default()) };
        let theme = Theme::WORDS.into_iter().find(|(known, _)| *known == word).map(|(_, theme)| theme);
        let theme = theme.ok_or(DatabaseError::Foreign("a theme that there is not"))?;
        Ok(Preferences { theme, language, newsletter })
    }

    /// Keeps the preferences of an account.
    pub(crate) async fn keep_preferences(
        &self,
        account: i64,
        preferences: &Preferences,
    ) -> Result<(), DatabaseError> {
        const KEEP: &str = "INSERT INTO preference (account, theme, language, newsletter) VALUES ($1, $2, $3, $4) \
                            ON CONFLICT (account) DO UPDATE \
                            SET theme = excluded.theme, language = excluded.language, newsletter = excluded.newsletter";
        on!(self, pool => sqlx::query(KEEP)
            .bind(account)
            .bind(preferences.theme.word())
            .bind(preferences.language.clone())
            .bind(preferences.newsletter)
            .execute(pool)
            .await
            .map(drop)?);
        Ok(())
    }
}
