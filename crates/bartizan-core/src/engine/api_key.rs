//! API keys in the course of a request: what is compiled, what is asked, what the answer comes to.

use alloc::{boxed::Box, format};
use core::time::Duration;

use super::evaluation::{Evaluation, Stop};
use crate::{
    Answer, DenialCode, Deployment, Entropy, HeaderPair, PolicyErrorKind, Principal, Query, Reason,
    ResponseHeader, Trace, Verdict,
    api_key::{ApiKey, ApiKeyError, ApiKeyRecord, ApiKeys, MalformedKey, Peppers, Prefix, Replaced, UsedKey},
    decision::Seldom,
    error::Problems,
    headers::http_date,
    policy::{CredentialKind, Mode, Policy},
};

/// What keys begin with where the policy does not say it.
const PREFIX: &str = "bartizan";
/// How long a key that was replaced is good where the policy does not say it.
const GRACE: Duration = Duration::from_hours(7 * 24);
/// Longer than this there are simply two keys.
const LONGEST_GRACE: Duration = Duration::from_hours(365 * 24);

/// The control that judges keys.
const CONTROL: &str = "requirement";

/// Compiles `[api_keys]`.
pub(super) fn compile(policy: &Policy, deployment: &Deployment, problems: &mut Problems) -> Option<ApiKeys> {
    let config = policy.api_keys.as_ref()?;
    let text = config.prefix.as_deref().unwrap_or(PREFIX);
    let prefix = Prefix::parse(text).map_err(|_| PolicyErrorKind::InvalidKeyPrefix);
    let prefix = problems.check("api_keys.prefix", text, prefix);
    let grace = config.grace.map_or(GRACE, |grace| grace.0);
    if grace > LONGEST_GRACE {
        problems.error("api_keys.grace", None, PolicyErrorKind::OutOfRange("at most 365 days"));
    }
    let peppers = deployment.keys.as_ref().and_then(Peppers::derive);
    if peppers.is_none() {
        problems.error("api_keys", None, PolicyErrorKind::ApiKeysWithoutKeys);
    }
    Some(ApiKeys { prefix: prefix?, peppers: peppers?, grace })
}

impl<'r, H, E, T> Evaluation<'_, 'r, H, E, T>
where
    H: Iterator<Item = HeaderPair<'r>> + Clone,
    E: Entropy,
    T: Trace,
{
    /// Asks what is kept of a key. What is no key is refused, and nobody is asked.
    #[inline(never)]
    pub(super) fn ask_for_key(&mut self, text: &[u8]) -> Result<Query, Stop> {
        let prefix = self.engine.0.api_keys.as_ref().map(|keys| &keys.prefix);
        let key = prefix.map_or(Err(MalformedKey::Prefix), |prefix| ApiKey::parse(text, prefix));
        match key {
            Ok(key) => Ok(Query::ApiKey { id: key.id(), now: self.now }),
            // What it is instead may be a password: it is not for the log.
            Err(fault) => Err(self.refuse_key(
                DenialCode::ApiKeyMalformed,
                &format!("{fault}"),
                "what was sent as an API key is none",
            )),
        }
    }

    /// What the answer about a key comes to.
    #[inline(never)]
    pub(super) fn verify_key(&mut self) -> Result<Principal, Stop> {
        let (engine, answer) = (self.engine, self.given.take());
        // The request has not changed since the question: it is the same key.
        let presented = self.presented().filter(|(kind, _)| *kind == CredentialKind::ApiKey);
        let verified = engine.0.api_keys.as_ref().zip(presented).and_then(|(keys, (_, text))| {
            let key = ApiKey::parse(text, &keys.prefix).ok()?;
            let record = match answer? {
                Answer::ApiKey(record) if record.id == key.id() => Some(record),
                Answer::Unknown => None,
                // An answer to another question is none.
                _ => return None,
            };
            let verified = keys.peppers.verify(&key, record.as_deref(), self.now);
            Some((key, verified.and_then(|()| record.ok_or(ApiKeyError::Unknown))))
        });
        let (code, value, why) = match verified {
            Some((_, Ok(record))) => return Ok(self.admit(*record)),
            Some((key, Err(error))) => {
                let (code, why) = match error {
                    ApiKeyError::Expired | ApiKeyError::Replaced(_) => {
                        (DenialCode::ApiKeyExpired, "the time of the API key is over")
                    }
                    _ => (DenialCode::ApiKeyInvalid, "the API key is not valid"),
                };
                (code, format!("{}: {error}", key.id()), why)
            }
            None => {
                let why = "the store that knows this credential cannot be asked";
                (DenialCode::StoreUnavailable, "".into(), why)
            }
        };
        Err(self.refuse_key(code, &value, why))
    }

    /// Lets a key in. The use of one that was replaced is told, for it will be refused.
    fn admit(&mut self, record: ApiKeyRecord) -> Principal {
        let (id, replaced) = (record.id, record.replaced());
        self.context.seldom().api_key = Some(UsedKey { id, replaced });
        if let Some(Replaced { by, ends }) = replaced {
            let ends = http_date::text(ends);
            self.trace.note(CONTROL, Verdict::Report, || {
                format!("the key {id} was replaced by {by}, and ends on {ends}").into()
            });
            let value = format!("{id}: replaced by {by}, ends on {ends}");
            let reason = Reason::with_value(DenialCode::ApiKeyExpired, value.as_bytes());
            self.context.seldom().reports.push(reason);
        }
        Principal { subject: record.owner, kind: CredentialKind::ApiKey, scopes: record.scopes }
    }

    #[cold]
    fn refuse_key(&mut self, code: DenialCode, value: &str, why: &'static str) -> Stop {
        match self.settle_refusal(CONTROL, Mode::Enforce, code, value.as_bytes(), why) {
            Err(stop) => stop,
            // What is enforced is refused.
            Ok(()) => Stop::Refused(Reason::new(code)),
        }
    }
}

/// `Sunset` (RFC 8594), where the key of the request has been replaced: when its client will be refused.
pub(super) fn sunset(seldom: &Seldom) -> Option<(ResponseHeader, Box<[u8]>)> {
    let replaced = seldom.api_key?.replaced?;
    Some((ResponseHeader::Sunset, http_date::text(replaced.ends).into_bytes().into()))
}
