//! Documents in memory.

use std::{collections::BTreeMap, sync::Mutex};

use super::lock;
use crate::{Document, DocumentName, StoreError, document::check_length};

#[derive(Debug, Default)]
pub(super) struct Documents(Mutex<BTreeMap<DocumentName, Document>>);

impl Documents {
    pub(super) fn find(&self, name: &DocumentName) -> Option<Document> {
        lock(&self.0).get(name).cloned()
    }

    pub(super) fn replace(
        &self,
        name: DocumentName,
        expected: Option<u64>,
        body: Box<[u8]>,
    ) -> Result<bool, StoreError> {
        check_length(&name, &body)?;
        let mut documents = lock(&self.0);
        let version = documents.get(&name).map(|document| document.version);
        if version != expected {
            return Ok(false);
        }
        documents.insert(name, Document { version: version.unwrap_or(0) + 1, body });
        Ok(true)
    }
}
