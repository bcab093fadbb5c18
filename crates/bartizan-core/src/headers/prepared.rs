//! Headers that are finished when the engine is built, each kept once.

use alloc::vec::Vec;

use crate::{HeaderId, PreparedHeader, ResponseHeader};

/// The finished headers of an engine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared(Vec<PreparedHeader>);

impl Prepared {
    /// The place of this header; the same for the same header.
    pub(crate) fn add(&mut self, name: ResponseHeader, value: &str) -> HeaderId {
        let place =
            self.0.iter().position(|header| header.name == name && *header.value == *value).unwrap_or_else(
                || {
                    self.0.push(PreparedHeader { name, value: value.into() });
                    self.0.len() - 1
                },
            );
        // `is_full` refuses a policy with so many.
        HeaderId(u16::try_from(place).unwrap_or(u16::MAX))
    }

    /// Whether there are more than a [`HeaderId`] can tell apart.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() > usize::from(u16::MAX)
    }

    pub(crate) fn get(&self, id: HeaderId) -> Option<&PreparedHeader> {
        self.0.get(id.index())
    }

    pub(crate) fn as_slice(&self) -> &[PreparedHeader] {
        &self.0
    }
}
