//! API keys in Redis.

use std::collections::BTreeSet;

use bartizan_core::{
    Timestamp,
    api_key::{ApiKeyRecord, KeyId, PepperId, TOUCH_AFTER},
};
use redis::FromRedisValue;

use super::{
    PRUNED_AT_ONCE, RedisStore, api_key_record,
    record::{hex, milliseconds, unhex},
    script::{self, Script},
};
use crate::{
    ApiKeyPage, KeyRotation, RotationOutcome, StoreError,
    api_key::{end, forgotten_by},
};

/// A key of Redis that is one API key's or one owner's.
enum Key<'a> {
    Record(KeyId),
    Owner(&'a str),
}

impl RedisStore {
    pub(super) async fn put_api_key(&self, record: &ApiKeyRecord) -> Result<bool, StoreError> {
        let arguments =
            [hex(record.id.as_bytes()), record.owner.to_string(), hex(&record.mac), written_end(record)];
        let arguments = arguments.into_iter().chain(api_key_record::to_fields(record));
        self.ask_api_keys(&script::CREATE_API_KEY, [Key::Owner(&record.owner)], arguments).await
    }

    pub(super) async fn find_api_key(
        &self,
        id: KeyId,
        now: Timestamp,
    ) -> Result<Option<ApiKeyRecord>, StoreError> {
        let keys = [format!("{}api-key:{}", self.base(), hex(id.as_bytes()))];
        let arguments = [now.0, milliseconds(TOUCH_AFTER)].map(|number| number.to_string());
        let found: Option<Vec<String>> = self.ask(script::API_KEY.call(&keys, &arguments)).await?;
        found.map(|fields| self.api_key_of(id, fields)).transpose()
    }

    pub(super) async fn swap_api_key(&self, rotation: &KeyRotation) -> Result<RotationOutcome, StoreError> {
        let KeyRotation { old, new, .. } = rotation;
        let arguments = [
            hex(old.id.as_bytes()),
            hex(&old.mac),
            old.expires.map_or_else(String::new, |expires| expires.0.to_string()),
            rotation.end().0.to_string(),
            hex(new.id.as_bytes()),
            new.owner.to_string(),
            hex(&new.mac),
            written_end(new),
        ];
        let arguments = arguments.into_iter().chain(api_key_record::to_fields(new));
        let about = [Key::Record(old.id), Key::Owner(&new.owner)];
        let is_done: bool = self.ask_api_keys(&script::ROTATE_API_KEY, about, arguments).await?;
        Ok(if is_done { RotationOutcome::Done } else { RotationOutcome::Changed })
    }

    pub(super) async fn end_api_key(&self, id: KeyId, now: Timestamp) -> Result<bool, StoreError> {
        let arguments = [hex(id.as_bytes()), now.0.to_string()];
        self.ask_api_keys(&script::REVOKE_API_KEY, [Key::Record(id)], arguments).await
    }

    pub(super) async fn page_of_api_keys(
        &self,
        owner: Option<&str>,
        after: Option<KeyId>,
        most: u32,
    ) -> Result<ApiKeyPage, StoreError> {
        let arguments = [
            most.clamp(1, 1000).to_string(),
            after.map_or_else(String::new, |id| hex(id.as_bytes())),
            owner.map_or_else(String::new, |owner| format!("={owner}")),
        ];
        let (more, found): (bool, Vec<(String, Vec<String>)>) =
            self.ask_api_keys(&script::LIST_API_KEYS, owner.map(Key::Owner), arguments).await?;
        let keys = found.into_iter().map(|(id, fields)| {
            let bytes = unhex(&id)
                .ok_or_else(|| self.connection.foreign(format!("an API key with the id {id:?}")))?;
            self.api_key_of(KeyId::from_bytes(bytes), fields)
        });
        Ok(ApiKeyPage { keys: keys.collect::<Result<_, StoreError>>()?, more })
    }

    /// Many steps, one for each page: a key that is there from beginning to end is seen by one of them.
    pub(super) async fn peppers_of_api_keys(&self, now: Timestamp) -> Result<Vec<PepperId>, StoreError> {
        let mut peppers = BTreeSet::new();
        let mut after = None;
        loop {
            let page = self.page_of_api_keys(None, after, 1000).await?;
            after = page.keys.last().map(|record| record.id);
            let alive = page.keys.iter().filter(|record| now < end(record));
            peppers.extend(alive.map(|record| record.pepper));
            if !page.more {
                return Ok(peppers.into_iter().collect());
            }
        }
    }

    pub(super) async fn prune_api_keys(&self, now: Timestamp) -> Result<u64, StoreError> {
        let Some(by) = forgotten_by(now) else { return Ok(0) };
        let mut pruned = 0;
        loop {
            let arguments = [by.0, PRUNED_AT_ONCE].map(|number| number.to_string());
            let ended: u64 = self.ask_api_keys(&script::PRUNE_API_KEYS, [], arguments).await?;
            pruned += ended;
            if ended < PRUNED_AT_ONCE {
                return Ok(pruned);
            }
        }
    }

    /// Asks a script that begins with `api_keys.lua`, about these keys or this owner's; as
    /// [`ask_sessions`](Self::ask_sessions).
    async fn ask_api_keys<T: FromRedisValue>(
        &self,
        script: &Script,
        about: impl IntoIterator<Item = Key<'_>>,
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<T, StoreError> {
        let base = self.base();
        let about = about.into_iter().map(|key| match key {
            Key::Record(id) => format!("{base}api-key:{}", hex(id.as_bytes())),
            Key::Owner(owner) => format!("{base}api-keys-of:{owner}"),
        });
        let keys: Vec<_> =
            [format!("{base}api-keys"), format!("{base}api-keys-end")].into_iter().chain(about).collect();
        let arguments: Vec<_> = [base].into_iter().chain(arguments).collect();
        self.ask(script.call(&keys, &arguments)).await
    }

    fn api_key_of(&self, id: KeyId, fields: Vec<String>) -> Result<ApiKeyRecord, StoreError> {
        api_key_record::from_fields(id, fields).map_err(|why| self.connection.foreign(why))
    }
}

/// When it ends, or nothing.
fn written_end(record: &ApiKeyRecord) -> String {
    let has_end = record.expires.is_some() || record.revoked.is_some();
    if has_end { end(record).0.to_string() } else { String::new() }
}
