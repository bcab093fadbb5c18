//! Keys are made and replaced: pure functions, whose results a store writes down in one step.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use super::{ApiKey, ApiKeyError, ApiKeyRecord, KeyId, Peppers, Prefix};
use crate::{Entropy, Timestamp};

/// How long the name of a key, a subject or a scope may be, in bytes.
const LONGEST_TEXT: usize = 256;
/// How many scopes a key may have.
const MOST_SCOPES: usize = 100;

/// How the keys of a deployment are made and verified.
#[derive(Clone, Debug)]
pub struct ApiKeys {
    /// What they begin with.
    pub prefix: Prefix,
    /// What their secrets are kept by.
    pub peppers: Peppers,
    /// How long a key that was replaced is good, unless it ends before.
    pub grace: Duration,
}

/// A key that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// Whose it will be: a subject.
    pub owner: Box<str>,
    /// What its owner calls it.
    pub name: Box<str>,
    /// What may be done with it.
    pub scopes: Vec<Box<str>>,
    /// When it will end. `None` is never.
    pub expires: Option<Timestamp>,
}

/// What replaces a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// What may be done with the new key: some of what may be done with the old one. `None` is all of it.
    pub scopes: Option<Vec<Box<str>>>,
    /// When the new key will end. `None` gives it as long as the old one was made for.
    pub expires: Option<Timestamp>,
}

/// Who asks for a key. A key opens no more than its grantor may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grantor<'a> {
    /// Whoever holds the store and the master key, at a command line: may make any key for anybody.
    Operator,
    /// Somebody who has signed in: makes keys for themselves, with scopes of their own.
    Subject {
        /// Who.
        subject: &'a str,
        /// What they may do.
        scopes: &'a [Box<str>],
    },
}

/// A key that was made: shown once, and kept.
#[derive(Clone, Debug)]
pub struct Issued {
    /// For its owner.
    pub key: ApiKey,
    /// For the store.
    pub record: ApiKeyRecord,
}

/// A key that took another's place. A store writes both sides down in one transaction, or none.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The new one.
    pub issued: Issued,
    /// The old one, which gets `replaced_by`,
    pub old: KeyId,
    /// and this as `expires`: never later than it had.
    pub old_expires: Timestamp,
}

/// Why a key was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotIssued {
    /// A name or subject that is empty, too long or unprintable.
    #[error("the {0} must have 1 to {LONGEST_TEXT} bytes and no control characters")]
    Text(&'static str),
    /// Not a scope (RFC 6749 §3.3).
    #[error("`{0}` is not a scope: write visible ASCII without quotes, backslashes and spaces")]
    Scope(Box<str>),
    /// More scopes than a key may have.
    #[error("a key may have {MOST_SCOPES} scopes at most")]
    Scopes,
    /// A scope that is not the grantor's to give.
    #[error("the scope `{0}` is more than may be given on; leave it out")]
    WiderScope(Box<str>),
    /// A key for somebody else.
    #[error("keys are made for oneself only; an operator can make one for `{0}`")]
    NotOwner(Box<str>),
    /// A key that would be born dead.
    #[error("the key would have ended already; write a time to come, or none")]
    Ended,
}

/// Why a key was not replaced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotRotated {
    /// The old one is not good any more.
    #[error("there is nothing to replace: {0}; make a new key")]
    Over(ApiKeyError),
    /// Another has taken its place already.
    #[error("it was replaced by {0} before; replace that one")]
    Before(KeyId),
    /// The new one cannot be made.
    #[error(transparent)]
    NotIssued(#[from] NotIssued),
}

/// Why it is not clear which key is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOne {
    /// There is none.
    #[error("there is no active key")]
    None,
    /// There are several.
    #[error("{0} keys are active; say which by its id")]
    Several(usize),
}

impl ApiKeys {
    /// Whether `text` says that it is a key of ours, whole or not: behind `Bearer` there may be something else.
    pub(crate) fn claims(&self, text: &[u8]) -> bool {
        self.prefix.strip(text).is_some()
    }

    /// Makes a key.
    ///
    /// # Errors
    ///
    /// Says what is wrong with `new`, or what of it is not the grantor's to give.
    pub fn issue(
        &self,
        new: NewKey,
        by: Grantor<'_>,
        now: Timestamp,
        entropy: &mut impl Entropy,
    ) -> Result<Issued, NotIssued> {
        check_text("owner", &new.owner)?;
        check_text("name", &new.name)?;
        check_scopes(&new.scopes)?;
        if new.expires.is_some_and(|expires| expires <= now) {
            return Err(NotIssued::Ended);
        }
        if let Grantor::Subject { subject, scopes } = by {
            if *new.owner != *subject {
                return Err(NotIssued::NotOwner(new.owner));
            }
            within(&new.scopes, scopes)?;
        }
        let key = ApiKey::mint(&self.prefix, entropy);
        let (pepper, mac) = self.peppers.keep(&key);
        let record = ApiKeyRecord {
            id: key.id(),
            mac,
            pepper,
            owner: new.owner,
            name: new.name,
            scopes: new.scopes,
            created: now,
            expires: new.expires,
            revoked: None,
            replaced_by: None,
            last_used: None,
        };
        Ok(Issued { key, record })
    }

    /// Makes the key that takes the place of `old`, for the same owner and of the same name. `old` is good until `grace`
    /// is over (that of [`ApiKeys`] where nothing is said), and never longer than it was.
    ///
    /// A key is replaced once. If the new one is lost, that one is the one to replace.
    ///
    /// # Errors
    ///
    /// Says why `old` cannot be replaced, or what is wrong with the new one.
    pub fn rotate(
        &self,
        old: &ApiKeyRecord,
        new: Rotation,
        grace: Option<Duration>,
        by: Grantor<'_>,
        now: Timestamp,
        entropy: &mut impl Entropy,
    ) -> Result<Rotated, NotRotated> {
        old.check(now).map_err(NotRotated::Over)?;
        if let Some(by) = old.replaced_by {
            return Err(NotRotated::Before(by));
        }
        let scopes = new.scopes.unwrap_or_else(|| old.scopes.clone());
        within(&scopes, &old.scopes)?;
        let (owner, name) = (old.owner.clone(), old.name.clone());
        // Or a key for a month would become one for ever.
        let expires =
            new.expires.or_else(|| old.expires.map(|expires| now.after(expires.since(old.created))));
        let issued = self.issue(NewKey { owner, name, scopes, expires }, by, now, entropy)?;
        let end = now.after(grace.unwrap_or(self.grace));
        let old_expires = old.expires.map_or(end, |expires| expires.min(end));
        Ok(Rotated { issued, old: old.id, old_expires })
    }
}

/// The one key that is active: good at `now`, and not replaced. What a rotation without an id means.
///
/// # Errors
///
/// Says that there is none, or how many there are.
pub fn sole_active(
    records: impl IntoIterator<Item = ApiKeyRecord>,
    now: Timestamp,
) -> Result<ApiKeyRecord, NotOne> {
    let is_active = |record: &ApiKeyRecord| record.check(now).is_ok() && record.replaced_by.is_none();
    let mut active = records.into_iter().filter(is_active);
    let one = active.next().ok_or(NotOne::None)?;
    match active.count() {
        0 => Ok(one),
        others => Err(NotOne::Several(others.saturating_add(1))),
    }
}

fn check_text(what: &'static str, text: &str) -> Result<(), NotIssued> {
    if text.is_empty() || text.len() > LONGEST_TEXT || text.chars().any(char::is_control) {
        return Err(NotIssued::Text(what));
    }
    Ok(())
}

fn check_scopes(scopes: &[Box<str>]) -> Result<(), NotIssued> {
    if scopes.len() > MOST_SCOPES {
        return Err(NotIssued::Scopes);
    }
    // scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
    let is_token = |scope: &str| {
        (1..=LONGEST_TEXT).contains(&scope.len())
            && scope.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
    };
    match scopes.iter().find(|scope| !is_token(scope)) {
        Some(scope) => Err(NotIssued::Scope(scope.clone())),
        None => Ok(()),
    }
}

/// Whether there is no scope in `scopes` that is not in `granted`.
fn within(scopes: &[Box<str>], granted: &[Box<str>]) -> Result<(), NotIssued> {
    match scopes.iter().find(|scope| !granted.contains(scope)) {
        Some(scope) => Err(NotIssued::WiderScope(scope.clone())),
        None => Ok(()),
    }
}
