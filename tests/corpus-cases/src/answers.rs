//! What a case's store answers, whichever surface asks.

use std::time::Duration;

use bartizan_core::{
    Answer, Query, Timestamp,
    jwt::IssuerId,
    limit::{self, Taken},
    policy::{CredentialKind, LimitStore},
    session::SessionRecord,
};

use crate::{Case, KeyState, TokenState, api_key, jwt};

/// What the store answers to whoever asks for a credential.
#[derive(Clone, Debug)]
pub enum StoreAnswer {
    /// The credential is whose?
    Principal {
        /// The subject.
        subject: String,
        /// The scopes.
        scopes: Vec<String>,
        /// The one kind of credential that is known, or every kind.
        kind: Option<CredentialKind>,
        /// What has become of it, where it is an API key.
        key: Option<KeyState>,
        /// What has become of it, where it is a token.
        token: Option<TokenState>,
    },
    /// There is no such credential.
    Unknown,
    /// The store cannot be asked.
    Unavailable,
}

impl StoreAnswer {
    /// The scopes of who is known.
    pub(crate) fn scopes(&self) -> &[String] {
        if let Self::Principal { scopes, .. } = self { scopes } else { &[] }
    }
}

/// The store of one case, for one request. It remembers how often somebody took from a bucket.
#[derive(Clone, Debug)]
pub struct CaseStore {
    answer: StoreAnswer,
    fresh: Option<bool>,
    taken: Vec<Taken>,
    turn: usize,
}

impl Case {
    /// The store that the case describes.
    pub fn store(&self) -> CaseStore {
        CaseStore { answer: self.answer.clone(), fresh: self.fresh, taken: self.taken.clone(), turn: 0 }
    }
}

impl CaseStore {
    /// What the case says about `query`; [`Answer::Unavailable`] where it says nothing.
    pub fn answer(&mut self, query: &Query) -> Answer {
        match query {
            Query::TokenKey { issuer, kid, .. } => self.token_key(*issuer, kid.as_deref()),
            Query::Revocation { .. } => self.revocation(),
            Query::PublicKeys { .. } if !matches!(self.answer, StoreAnswer::Unavailable) => {
                Answer::PublicKeys([jwt::PUBLIC_KEY.into()].into())
            }
            Query::Session { now, .. } => self.session(*now),
            Query::ApiKey { now, .. } => self.api_key(*now),
            Query::Begin(_) | Query::Renew(_) | Query::End(_)
                if !matches!(self.answer, StoreAnswer::Unavailable) =>
            {
                Answer::Done
            }
            Query::Consume { .. } => self.fresh.map_or(Answer::Unavailable, Answer::Fresh),
            // Where a process counts by itself, the bucket is new.
            &Query::Take { quota, cost, store: LimitStore::Local, now, .. } => {
                Answer::Taken(limit::take(0, now, quota, cost).0)
            }
            Query::Take { .. } => self.take(),
            _ => Answer::Unavailable,
        }
    }

    fn token_key(&self, issuer: IssuerId, kid: Option<&str>) -> Answer {
        self.known(CredentialKind::Jwt, |_, _| {
            jwt::key(issuer, kid, self.token()).map_or(Answer::Unknown, Answer::TokenKey)
        })
    }

    fn revocation(&self) -> Answer {
        match self.token() {
            Some(TokenState::Unsure) => Answer::Unavailable,
            state => Answer::Revoked(state == Some(TokenState::Revoked)),
        }
    }

    fn token(&self) -> Option<TokenState> {
        if let StoreAnswer::Principal { token, .. } = self.answer { token } else { None }
    }

    fn session(&self, now: Timestamp) -> Answer {
        let (idle, absolute) = (Duration::from_mins(30), Duration::from_hours(12));
        self.known(CredentialKind::Session, |subject, scopes| {
            Answer::Session(SessionRecord::new(subject, scopes, now, idle, absolute))
        })
    }

    fn api_key(&self, now: Timestamp) -> Answer {
        let state = if let StoreAnswer::Principal { key, .. } = self.answer { key } else { None };
        self.known(CredentialKind::ApiKey, |subject, scopes| {
            Answer::ApiKey(Box::new(api_key::record(subject, scopes, state, now)))
        })
    }

    fn known(&self, asked: CredentialKind, answer: impl FnOnce(&str, Vec<Box<str>>) -> Answer) -> Answer {
        match &self.answer {
            StoreAnswer::Principal { subject, scopes, kind, .. } if kind.is_none_or(|kind| kind == asked) => {
                answer(subject, scopes.iter().map(|scope| scope.as_str().into()).collect())
            }
            StoreAnswer::Principal { .. } | StoreAnswer::Unknown => Answer::Unknown,
            StoreAnswer::Unavailable => Answer::Unavailable,
        }
    }

    /// Each time the next, the last for good.
    fn take(&mut self) -> Answer {
        let taken = self.taken.get(self.turn).or(self.taken.last());
        self.turn += 1;
        taken.copied().map_or(Answer::Unavailable, Answer::Taken)
    }
}
