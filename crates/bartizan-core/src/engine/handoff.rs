//! Hand-off: an upstream begins and ends sessions by headers of its response.
//!
//! Only on the routes that the policy names, and only with the nonce that this very request carried to it, so that
//! neither an upstream that reflects headers nor one that is talked into answering for another request can make a
//! session. Everything else of the kind is stripped and told to the log.

use alloc::{boxed::Box, vec::Vec};

use percent_encoding::percent_decode;
use subtle::ConstantTimeEq as _;

use crate::{
    Answer, DenialCode, Entropy, Grant, Query, Reason, ResponseEdits, ResponseHeader, Timestamp,
    controls::session::HandoffRoute,
    decision::Nonce,
    response::{Next, Pending, Then},
    session::{Ending, SessionKey},
};

/// The hand-off that a request carries to its upstream.
#[derive(Clone, Debug)]
pub(crate) struct Handoff {
    pub(crate) nonce: Nonce,
    pub(crate) route: HandoffRoute,
    /// The session that the client's cookie names, alive or not.
    pub(crate) presented: Option<SessionKey>,
}

/// A header by which an upstream hands something off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandoffHeader {
    Login,
    Logout,
    LoginFailed,
}

impl HandoffHeader {
    /// By its name in any case. With `_` for `-` it is none, and goes with everything else that is ours.
    pub(crate) fn identify(name: &[u8]) -> Option<Self> {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        match name.len() {
            14 if is(b"bartizan-login") => Some(Self::Login),
            15 if is(b"bartizan-logout") => Some(Self::Logout),
            21 if is(b"bartizan-login-failed") => Some(Self::LoginFailed),
            _ => None,
        }
    }
}

/// Whether a header of this name hands something off, in any case: in a trailer it does nothing, and belongs into the log.
pub fn is_handoff(name: &[u8]) -> bool {
    HandoffHeader::identify(name).is_some()
}

/// What an upstream handed off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Handed {
    Login { subject: Box<str>, scopes: Vec<Box<str>> },
    Logout(Logout),
    LoginFailed { account: Box<str> },
}

/// Which sessions end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logout {
    Current,
    All,
    Others,
}

/// The longest subject or account name, in bytes.
const LONGEST_NAME: usize = 256;

impl Handoff {
    /// What the response's hand-off headers come to; or why they come to nothing.
    pub(crate) fn judge(
        &self,
        headers: &[(HandoffHeader, &[u8])],
        status: u16,
    ) -> Result<Handed, &'static str> {
        let [(header, value)] = headers else { return Err("more than one hand-off header") };
        let (nonce, rest) = match value.iter().position(|byte| *byte == b' ') {
            Some(at) => value.split_at(at),
            None => (*value, &b""[..]),
        };
        // A stranger who could make the upstream send headers must not learn the nonce by the time a refusal takes.
        if !bool::from(nonce.ct_eq(self.nonce.as_str().as_bytes())) {
            return Err("not the nonce that this request carried");
        }
        let rest = rest.trim_ascii();
        let succeeded = matches!(status, 200..=399);
        match header {
            HandoffHeader::Login | HandoffHeader::LoginFailed if !self.route.login => {
                Err("not a route of session.handoff.login")
            }
            HandoffHeader::Login if !succeeded => Err("a login with a status that is neither 2xx nor 3xx"),
            HandoffHeader::Login => {
                login(rest).ok_or("a login that is not `subject` or `subject; scope=\"...\"`")
            }
            // Whatever somebody typed for a name, and however the upstream writes it: what is not counted can be tried
            // for ever.
            HandoffHeader::LoginFailed => {
                let account = percent_decode(rest).decode_utf8_lossy();
                Ok(Handed::LoginFailed { account: account.into() })
            }
            HandoffHeader::Logout if !self.route.logout => Err("not a route of session.handoff.logout"),
            HandoffHeader::Logout if !succeeded => Err("a logout with a status that is neither 2xx nor 3xx"),
            HandoffHeader::Logout => match rest {
                b"current" => Ok(Handed::Logout(Logout::Current)),
                b"all" => Ok(Handed::Logout(Logout::All)),
                b"others" => Ok(Handed::Logout(Logout::Others)),
                _ => Err("a logout that is neither `current` nor `all` nor `others`"),
            },
        }
    }
}

impl Grant {
    /// Takes over what the upstream hands off, or says why not.
    pub(super) fn hand_off(
        &self,
        headers: &[(HandoffHeader, &[u8])],
        status: u16,
        now: Timestamp,
        entropy: &mut impl Entropy,
        edits: &mut ResponseEdits,
    ) -> Result<(), &'static str> {
        let (Some(handoff), Some(sessions)) = (self.handoff(), &self.engine.0.sessions) else {
            return Err("the policy lets no session begin or end on this route");
        };
        let mut ask = |query, then| edits.seldom().pending = Some(Pending { query: Some(query), then });
        match handoff.judge(headers, status)? {
            Handed::Login { subject, scopes } => {
                let begun = sessions.begin(&subject, scopes, handoff.presented, now, entropy);
                match self.engine.login_guard() {
                    Some(guard) => {
                        let turn = Box::new(guard.before(Some(&subject), self.client_ip(), now));
                        self.go_on_with_login(turn, Next::Begin(begun), edits, entropy);
                    }
                    None => ask(begun.query, Then::SetCookie(begun.cookie)),
                }
            }
            Handed::Logout(which) => {
                let everywhere = |except| {
                    let principal = self.principal().ok_or("there is no session whose subject is known")?;
                    Ok::<_, &'static str>(Ending::AllOf { subject: principal.subject.clone(), except })
                };
                match (which, handoff.presented) {
                    (Logout::Current, Some(key)) => ask(Query::End(Ending::One(key)), Then::SignedOut),
                    (Logout::Current, None) => {}
                    (Logout::All, _) => ask(Query::End(everywhere(None)?), Then::SignedOut),
                    (Logout::Others, key) => ask(Query::End(everywhere(key)?), Then::Nothing),
                }
            }
            Handed::LoginFailed { account } => self.ask_failed(&account, now, entropy, edits),
        }
        self.close_until_answered(edits, entropy);
        Ok(())
    }

    /// Counts the login that an upstream says has failed, where something else takes the place of its response: nobody may
    /// try uncounted by asking in a way that is refused only then.
    pub(super) fn count_failure(
        &self,
        headers: &[(HandoffHeader, &[u8])],
        status: u16,
        now: Timestamp,
        entropy: &mut impl Entropy,
        edits: &mut ResponseEdits,
    ) {
        let handed = self.handoff().map(|handoff| handoff.judge(headers, status));
        if let Some(Ok(Handed::LoginFailed { account })) = handed {
            self.ask_failed(&account, now, entropy, edits);
            self.close_until_answered(edits, entropy);
        }
    }

    fn ask_failed(
        &self,
        account: &str,
        now: Timestamp,
        entropy: &mut impl Entropy,
        edits: &mut ResponseEdits,
    ) {
        if let Some(guard) = self.engine.login_guard() {
            let turn = Box::new(guard.failed(account, self.client_ip(), now));
            self.go_on_with_login(turn, Next::Respond, edits, entropy);
        }
    }

    /// Where something is to be asked, nothing of the response gets out before it is answered.
    fn close_until_answered(&self, edits: &mut ResponseEdits, entropy: &mut impl Entropy) {
        let seldom = edits.seldom();
        if seldom.pending.is_some() {
            seldom.unanswered = Some(self.fail(Reason::new(DenialCode::StoreUnavailable), entropy));
        }
    }

    /// Answers the question of a response. What could not be done is not told as done: the client gets 503.
    pub fn supply(&self, edits: &mut ResponseEdits, answer: &Answer, mut entropy: impl Entropy) {
        let Some(pending) = edits.seldom.as_mut().and_then(|seldom| seldom.pending.take()) else { return };
        match pending.then {
            Then::Judge(mut turn, next) => {
                turn.supply(answer);
                self.go_on_with_login(turn, next, edits, &mut entropy);
            }
            _ if !matches!(answer, Answer::Done) => {
                let reason = Reason::new(DenialCode::StoreUnavailable);
                edits.seldom().replacement = Some(self.engine.deny(reason, &self.context, &mut entropy));
            }
            Then::Nothing => {}
            Then::SetCookie(cookie) => edits.set_cookies.push(cookie.into_boxed_bytes()),
            Then::SignedOut => {
                let expired = self.engine.expired_session_cookie();
                edits.set_cookies.extend(expired.map(str::into_boxed_bytes));
                // Not `cookies` or `cache`: they reach beyond this host.
                edits.computed.push((ResponseHeader::ClearSiteData, b"\"storage\"".as_slice().into()));
            }
        }
        let seldom = edits.seldom();
        if seldom.pending.is_none() {
            seldom.unanswered = None;
        }
    }
}

/// `subject` or `subject; scope="read write"`.
fn login(text: &[u8]) -> Option<Handed> {
    let mut parts = text.splitn(2, |byte| *byte == b';');
    let subject = name(parts.next()?.trim_ascii())?;
    let scopes = match parts.next() {
        None => Vec::new(),
        Some(parameter) => {
            let value = parameter.trim_ascii().strip_prefix(b"scope=\"")?.strip_suffix(b"\"")?;
            let scopes: Option<Vec<Box<str>>> =
                value.split(|byte| *byte == b' ').filter(|scope| !scope.is_empty()).map(scope).collect();
            scopes?
        }
    };
    Some(Handed::Login { subject, scopes })
}

/// A scope token (RFC 6749 §3.3).
fn scope(text: &[u8]) -> Option<Box<str>> {
    let fits = text.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    core::str::from_utf8(text).ok().filter(|_| fits).map(Into::into)
}

/// A percent-encoded name: UTF-8 without control characters, not empty, and not longer than a name is.
fn name(text: &[u8]) -> Option<Box<str>> {
    if !text.iter().all(u8::is_ascii_graphic) || !is_encoded_whole(text) {
        return None;
    }
    let decoded = percent_decode(text).decode_utf8().ok()?;
    let fits = !decoded.is_empty() && decoded.len() <= LONGEST_NAME && !decoded.chars().any(char::is_control);
    fits.then(|| decoded.into())
}

/// Whether two hexadecimal digits follow every `%`.
fn is_encoded_whole(text: &[u8]) -> bool {
    text.iter().enumerate().filter(|(_, byte)| **byte == b'%').all(|(at, _)| {
        text.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Entropy;
    use alloc::{format, vec};

    struct Sevens;

    impl Entropy for Sevens {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    const NONCE: &str = "BwcHBwcHBwcHBwcHBwcHBw";

    fn judge(
        login: bool,
        logout: bool,
        header: &str,
        value: &str,
        status: u16,
    ) -> Result<Handed, &'static str> {
        let handoff = Handoff {
            nonce: Nonce::new(&mut Sevens),
            route: HandoffRoute { login, logout },
            presented: None,
        };
        let header = HandoffHeader::identify(header.as_bytes()).expect("a hand-off header");
        handoff.judge(&[(header, value.as_bytes())], status)
    }

    fn logged_in(subject: &str, scopes: &[&str]) -> Handed {
        Handed::Login {
            subject: subject.into(),
            scopes: scopes.iter().map(|scope| (*scope).into()).collect(),
        }
    }

    #[test]
    fn a_login_names_a_subject_and_scopes() {
        for (value, expected) in [
            ("alice", Some(logged_in("alice", &[]))),
            ("al%20ice%40example.com", Some(logged_in("al ice@example.com", &[]))),
            ("%C3%A4nne", Some(logged_in("änne", &[]))),
            ("alice; scope=\"read write\"", Some(logged_in("alice", &["read", "write"]))),
            ("alice;scope=\"\"", Some(logged_in("alice", &[]))),
            ("", None),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%ff", None),
            ("%00", None),
            ("a%0ab", None),
            ("a b", None),
            ("alice; scope=read", None),
            ("alice; role=\"admin\"", None),
            ("alice; scope=\"a\\b\"", None),
        ] {
            let found = judge(true, false, "Bartizan-Login", &format!("{NONCE} {value}"), 303);
            assert_eq!(found.as_ref().ok(), expected.as_ref(), "{value}: {found:?}");
        }
        let long = |length: usize| format!("{NONCE} {}", "a".repeat(length));
        assert!(judge(true, false, "bartizan-login", &long(256), 200).is_ok());
        assert!(judge(true, false, "bartizan-login", &long(257), 200).is_err());
    }

    #[test]
    fn only_the_requests_own_nonce_on_a_named_route_counts() {
        for (login, logout, header, value, status, accepted) in [
            (true, false, "bartizan-login", format!("{NONCE} alice"), 200, true),
            (true, false, "bartizan-login", format!("{NONCE} alice"), 303, true),
            (true, false, "bartizan-login", format!("{NONCE} alice"), 401, false),
            (true, false, "bartizan-login", format!("{NONCE} alice"), 500, false),
            (false, true, "bartizan-login", format!("{NONCE} alice"), 200, false),
            (true, true, "bartizan-login", "alice".into(), 200, false),
            (true, true, "bartizan-login", "AAAAAAAAAAAAAAAAAAAAAA alice".into(), 200, false),
            (true, true, "bartizan-login", format!("{} alice", &NONCE[..21]), 200, false),
            (true, true, "bartizan-login", " alice".into(), 200, false),
            (true, false, "bartizan-login-failed", format!("{NONCE} alice"), 401, true),
            (false, true, "bartizan-login-failed", format!("{NONCE} alice"), 401, false),
            (true, false, "bartizan-login-failed", NONCE.into(), 401, true),
            (true, false, "bartizan-login-failed", "alice".into(), 401, false),
            (true, false, "bartizan-login-failed", "AAAAAAAAAAAAAAAAAAAAAA alice".into(), 401, false),
            (false, true, "bartizan-logout", format!("{NONCE} current"), 200, true),
            (false, true, "bartizan-logout", format!("{NONCE} all"), 303, true),
            (false, true, "bartizan-logout", format!("{NONCE} others"), 204, true),
            (false, true, "bartizan-logout", format!("{NONCE} everyone"), 200, false),
            (false, true, "bartizan-logout", format!("{NONCE} current"), 403, false),
            (true, false, "bartizan-logout", format!("{NONCE} current"), 200, false),
        ] {
            let found = judge(login, logout, header, &value, status);
            assert_eq!(found.is_ok(), accepted, "{login} {logout} {header}: {value} {status}: {found:?}");
        }
    }

    #[test]
    fn a_failed_login_counts_however_the_account_is_written() {
        for (value, expected) in [
            ("alice", "alice"),
            ("%C3%A4nne", "änne"),
            ("alice smith", "alice smith"),
            ("alice%0A", "alice\n"),
            ("%ff%", "\u{fffd}%"),
            ("", ""),
            (&"a".repeat(300), &"a".repeat(300)),
        ] {
            let found = judge(true, false, "Bartizan-Login-Failed", &format!("{NONCE} {value}"), 401);
            assert_eq!(found, Ok(Handed::LoginFailed { account: expected.into() }), "{value}");
        }
    }

    #[test]
    fn two_headers_are_none() {
        let handoff = Handoff {
            nonce: Nonce::new(&mut Sevens),
            route: HandoffRoute { login: true, logout: true },
            presented: None,
        };
        let value = format!("{NONCE} alice");
        let twice = vec![(HandoffHeader::Login, value.as_bytes()); 2];
        assert!(handoff.judge(&twice, 200).is_err());
        assert!(handoff.judge(&twice[..1], 200).is_ok());
        assert!(handoff.judge(&[], 200).is_err());
        assert_eq!(HandoffHeader::identify(b"Bartizan_Login"), None);
    }
}
