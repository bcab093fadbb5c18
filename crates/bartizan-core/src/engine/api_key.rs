//! API keys in the course of a request: what is compiled, what is asked, what the answer comes to.

use alloc::{boxed::Box, format, sync::Arc};
use core::time::Duration;

use super::evaluation::{Evaluation, Stop};
use crate::{
    Answer, DenialCode, Deployment, Entropy, HeaderPair, PolicyErrorKind, Principal, Query, Reason,
    ResponseHeader, Trace, Verdict,
    api_key::{ApiKey, ApiKeyError, ApiKeyRecord, ApiKeys, MalformedKey, Peppers, Prefix, Replaced, UsedKey},
    decision::{Seldom, Verified},
    error::Problems,
    headers::http_date,
    policy::{CredentialKind, Policy},
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
            Err(fault) => Err(self.refuse_credential(
                DenialCode::ApiKeyMalformed,
                &format!("{fault}"),
                "what was sent as an API key is none",
            )),
        }
    }

    /// What the answer about a key comes to.
    #[inline(never)]
    pub(super) fn verify_key(&mut self) -> Result<Verified, Stop> {
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
            None => return Err(self.refuse_unasked()),
        };
        Err(self.refuse_credential(code, &value, why))
    }

    /// Lets a key in. The use of one that was replaced is told, for it will be refused.
    fn admit(&mut self, record: ApiKeyRecord) -> Verified {
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
        let kind = CredentialKind::ApiKey;
        let principal = Principal { subject: record.owner, issuer: None, kind, scopes: record.scopes };
        Verified { principal: Arc::new(principal), ends: record.expires, session: None, claims: None }
    }
}

/// `Sunset` (RFC 8594), where the key of the request has been replaced: when its client will be refused.
pub(super) fn sunset(seldom: &Seldom) -> Option<(ResponseHeader, Box<[u8]>)> {
    let replaced = seldom.api_key?.replaced?;
    Some((ResponseHeader::Sunset, http_date::text(replaced.ends).into_bytes().into()))
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec, vec::Vec};

    use super::*;
    use crate::{
        Decision, Denial, Engine, Grant, Recording, RequestHead, Scheme, Step, Timestamp,
        api_key::{Grantor, Issued, KeyId, NewKey, PepperId},
        keys::Keys,
        policy::{PolicyInput, load},
    };

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    struct Sevens;
    impl Entropy for Sevens {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn build(api_keys: &str, keys: Option<&[u8]>) -> Result<Engine, Vec<String>> {
        let text = format!(
            "version = 1\norigin.public = ['http://localhost']\ndefault.require = 'api-key'\n[api_keys]\n{api_keys}"
        );
        let policy = load(&PolicyInput { text: &text, ..PolicyInput::new("bartizan.toml") }).unwrap().policy;
        let keys = keys.map(|key| Keys::new(&[key]).unwrap());
        let deployment = Deployment { listen: "127.0.0.1:8080".parse().ok(), keys, ..Deployment::default() };
        Engine::build(&policy, &deployment).map_err(|errors| {
            errors.iter().map(|error| format!("{} {}", error.path, error.kind.code())).collect()
        })
    }

    const MASTER: Option<&[u8]> = Some(b"0123456789abcdef0123456789abcdef");

    #[test]
    fn what_is_written() {
        for (written, keys, expected) in [
            ("", MASTER, Ok(("bartizan", 7 * 24))),
            ("prefix = 'acme'", MASTER, Ok(("acme", 7 * 24))),
            ("grace = '0s'", MASTER, Ok(("bartizan", 0))),
            ("grace = '365d'", MASTER, Ok(("bartizan", 365 * 24))),
            ("grace = '366d'", MASTER, Err(vec!["api_keys.grace policy.value"])),
            ("prefix = 'Acme'", MASTER, Err(vec!["api_keys.prefix policy.api-keys"])),
            ("prefix = 'a'", MASTER, Err(vec!["api_keys.prefix policy.api-keys"])),
            ("", None, Err(vec!["api_keys policy.master-key"])),
            (
                "prefix = 'ac-me'\ngrace = '999d'",
                None,
                Err(vec![
                    "api_keys.prefix policy.api-keys",
                    "api_keys.grace policy.value",
                    "api_keys policy.master-key",
                ]),
            ),
        ] {
            let built = build(written, keys);
            let found = built.as_ref().map(|engine| {
                let keys = engine.api_keys().unwrap();
                (keys.prefix.as_str(), keys.grace.as_secs() / 3600)
            });
            let expected =
                expected.map_err(|errors| errors.into_iter().map(Into::into).collect::<Vec<String>>());
            assert_eq!(found, expected.as_ref().copied(), "{written}");
        }
    }

    #[test]
    fn without_keys_it_is_said_what_to_do() {
        let hint = PolicyErrorKind::ApiKeysWithoutKeys.hint().unwrap();
        assert!(hint.contains("openssl rand -base64 48") && hint.contains("Deployment::keys"), "{hint}");
    }

    /// A key, and what is kept of it.
    fn issued(engine: &Engine) -> Issued {
        let new = NewKey { owner: "robot".into(), name: "n".into(), scopes: Vec::new(), expires: None };
        engine.api_keys().unwrap().issue(new, Grantor::Operator, NOW, &mut Sevens).unwrap()
    }

    /// What becomes of a request with `key`, how often somebody was asked, and the trace.
    fn send(engine: &Engine, key: &str, answer: &Answer) -> (Result<Grant, Denial>, Vec<Query>, Recording) {
        let headers = [("host", "localhost"), ("x-api-key", key)];
        let head = RequestHead {
            method: b"GET",
            path: b"/",
            query: None,
            authority: None,
            scheme: Scheme::Http,
            peer: "127.0.0.1".parse().ok(),
            http2: false,
            headers: headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        };
        let (mut asked, mut trace) = (Vec::new(), Recording::default());
        let mut evaluation = engine.evaluate_traced(&head, NOW, Sevens, &mut trace);
        let decided = loop {
            match evaluation.step() {
                Step::Need(query) => {
                    asked.push(query);
                    evaluation.supply(answer.clone());
                }
                Step::Done(Decision::Allow(grant)) => break Ok(grant),
                Step::Done(Decision::Deny(denial)) => break Err(denial),
                step => panic!("{step:?}"),
            }
        };
        drop(evaluation);
        (decided, asked, trace)
    }

    #[test]
    fn nobody_is_asked_about_what_is_no_key_and_nothing_of_it_is_logged() {
        let engine = build("", MASTER).unwrap();
        let key = issued(&engine).key;
        let wrong = key.expose().replace("_live_0", "_live_1");
        for (text, why) in [
            ("hunter2", "it does not begin with this service's prefix and `_live_`"),
            ("bartizan_live_hunter2", "it is not as long as a key, or has characters that no key has"),
            (&*wrong, "its checksum is wrong: it was mistyped or made up"),
        ] {
            let (decided, asked, _) = send(&engine, text, &Answer::Unavailable);
            let denial = decided.unwrap_err();
            assert_eq!(
                (denial.reason().code(), denial.reason().value()),
                (DenialCode::ApiKeyMalformed, Some(why))
            );
            assert_eq!(asked, [], "{text}");
        }
    }

    #[test]
    fn the_log_says_why_a_key_is_not_good_and_the_client_is_not_told() {
        let engine = build("", MASTER).unwrap();
        let Issued { key, record } = issued(&engine);
        let id = key.id();
        let with = |change: fn(&mut ApiKeyRecord)| {
            let mut record = record.clone();
            change(&mut record);
            Answer::ApiKey(Box::new(record))
        };
        for (answer, code, why) in [
            (Answer::Unknown, DenialCode::ApiKeyInvalid, "no key has this id"),
            (with(|r| r.mac = [0; 32]), DenialCode::ApiKeyInvalid, "its secret is not the one of this id"),
            (with(|r| r.revoked = Some(NOW)), DenialCode::ApiKeyInvalid, "it was revoked"),
            (
                with(|r| r.pepper = PepperId::from_bytes([0xab; 8])),
                DenialCode::ApiKeyInvalid,
                "its pepper abababababababab is of no master key here; put that key into store.previous_master_keys",
            ),
            (with(|r| r.expires = Some(NOW)), DenialCode::ApiKeyExpired, "it has expired"),
            (
                with(|r| (r.expires, r.replaced_by) = (Some(NOW), Some(KeyId::from_bytes([0; 16])))),
                DenialCode::ApiKeyExpired,
                "it was replaced by 0000000000000000000000, and its grace is over",
            ),
        ] {
            let (decided, asked, _) = send(&engine, key.expose(), &answer);
            let denial = decided.unwrap_err();
            let value = format!("{id}: {why}");
            assert_eq!((denial.reason().code(), denial.reason().value()), (code, Some(&*value)));
            assert_eq!(asked, [Query::ApiKey { id, now: NOW }], "{why}");
            let body = String::from_utf8(denial.reply().body.to_vec()).unwrap();
            assert!(!body.contains(why) && body.contains(code.as_str()), "{body}");
        }
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let engine = build("", MASTER).unwrap();
        let Issued { key, record } = issued(&engine);
        let others = ApiKeyRecord { id: KeyId::from_bytes([1; 16]), ..record };
        for answer in [
            Answer::Done,
            Answer::Unavailable,
            Answer::Fresh(true),
            Answer::Revoked(false),
            Answer::ApiKey(Box::new(others)),
        ] {
            let code = send(&engine, key.expose(), &answer).0.unwrap_err().reason().code();
            assert_eq!(code, DenialCode::StoreUnavailable, "{answer:?}");
        }
    }

    #[test]
    fn a_key_that_is_good_is_known_to_the_handler() {
        let engine = build("", MASTER).unwrap();
        let Issued { key, record } = issued(&engine);
        let (decided, ..) = send(&engine, key.expose(), &Answer::ApiKey(Box::new(record.clone())));
        let grant = decided.unwrap();
        let kind = CredentialKind::ApiKey;
        let robot = Principal { subject: "robot".into(), issuer: None, kind, scopes: Vec::new() };
        assert_eq!(grant.principal(), Some(&robot));
        assert_eq!(grant.api_key(), Some(UsedKey { id: key.id(), replaced: None }));
        assert_eq!((grant.session(), grant.reports()), (None, &[][..]));
        let (by, ends) = (KeyId::from_bytes([0; 16]), Timestamp(NOW.0 + 1));
        let record = ApiKeyRecord { replaced_by: Some(by), expires: Some(ends), ..record };
        let (decided, _, trace) = send(&engine, key.expose(), &Answer::ApiKey(Box::new(record)));
        let grant = decided.unwrap();
        assert_eq!(grant.api_key().and_then(|key| key.replaced), Some(Replaced { by, ends }));
        let id = key.id();
        let value = format!("{id}: replaced by {by}, ends on Tue, 14 Nov 2023 22:13:20 GMT");
        let reports: Vec<_> = grant.reports().iter().map(|reason| (reason.code(), reason.value())).collect();
        assert_eq!(reports, [(DenialCode::ApiKeyExpired, Some(&*value))]);
        let told = trace.0.iter().filter(|note| note.verdict == Verdict::Report);
        assert_eq!(told.map(|note| note.control).collect::<Vec<_>>(), [CONTROL]);
    }
}
