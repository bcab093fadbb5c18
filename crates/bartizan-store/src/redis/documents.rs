//! Documents in Redis.

use super::{RedisStore, script};
use crate::{Document, DocumentName, StoreError, document::check_length};

impl RedisStore {
    pub(super) async fn find_document(&self, name: &DocumentName) -> Result<Option<Document>, StoreError> {
        let keys = [self.name_of(name)];
        let (version, body): (Option<String>, Option<Vec<u8>>) =
            self.ask(script::DOCUMENT.call(&keys, &[])).await?;
        match (version.as_deref().map(str::parse), body) {
            (None, None) => Ok(None),
            (Some(Ok(version)), Some(body)) => Ok(Some(Document { version, body: body.into() })),
            _ => Err(self.connection.foreign(format!("the document {name} with the version {version:?}"))),
        }
    }

    pub(super) async fn swap_document(
        &self,
        name: &DocumentName,
        expected: Option<u64>,
        body: &[u8],
    ) -> Result<bool, StoreError> {
        check_length(name, body)?;
        let keys = [self.name_of(name)];
        let next = expected.unwrap_or(0).saturating_add(1);
        let arguments =
            [expected.map_or_else(String::new, |expected| expected.to_string()), next.to_string()];
        self.ask(script::REPLACE_DOCUMENT.call(&keys, &arguments).with(body)).await
    }

    fn name_of(&self, name: &DocumentName) -> String {
        format!("{}:document:{name}", self.prefix)
    }
}
