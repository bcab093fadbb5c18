//! Sessions: how long they live, the cookie that carries them, and the routes on which the upstream begins and ends
//! them (ASVS 7.2, 7.3).

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::time::Duration;

use crate::{
    Entropy, PolicyErrorKind, Query, Timestamp,
    engine::OwnCookies,
    error::Problems,
    policy::{SameSite, SessionConfig},
    route::Pattern,
    session::{NewSession, Renewal, SessionId, SessionKey, SessionRecord},
};

/// What holds for sessions.
#[derive(Clone, Debug)]
pub(crate) struct Sessions {
    idle: Duration,
    absolute: Duration,
    most: Option<u32>,
    cookie: &'static str,
    /// The cookie's attributes, from the first `;`.
    attributes: Box<str>,
    login: Vec<Pattern>,
    logout: Vec<Pattern>,
}

/// A session that is to begin: what the store is asked, and the cookie to set when it has answered.
#[derive(Clone, Debug)]
pub struct BegunSession {
    /// Ask the store; the session is there when it answers [`Answer::Done`](crate::Answer::Done).
    pub query: Query,
    /// The value of the `Set-Cookie` header. Whoever has it has the session.
    pub cookie: Box<str>,
}

/// What the upstream may do with sessions on a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HandoffRoute {
    pub(crate) login: bool,
    pub(crate) logout: bool,
}

/// No session lives longer: ASVS 7.3 asks for a limit, and a year is none.
const LONGEST: Duration = Duration::from_hours(365 * 24);

impl Sessions {
    /// Compiles `[session]`; `own` says what our cookies are called.
    pub(crate) fn compile(config: &SessionConfig, own: OwnCookies, problems: &mut Problems) -> Self {
        let mut span = |key: &str, value: Option<crate::policy::Duration>, default| {
            let value = value.map_or(default, |value| value.0);
            if value < Duration::from_secs(1) || value > LONGEST {
                problems.error(
                    format!("session.{key}"),
                    None,
                    PolicyErrorKind::OutOfRange("a time from 1 second to 365 days"),
                );
            }
            value
        };
        let idle = span("idle", config.idle, Duration::from_mins(30));
        let absolute = span("absolute", config.absolute, Duration::from_hours(12));
        if idle > absolute {
            problems.warn(
                "session.idle",
                "it is longer than session.absolute, at which every session ends anyway",
            );
        }
        if config.max_per_subject == Some(0) {
            problems.error("session.max_per_subject", Some("0"), PolicyErrorKind::OutOfRange("at least 1"));
        }
        let handoff = config.handoff.clone().unwrap_or_default();
        let mut patterns = |key: &str, texts: &[String]| -> Vec<Pattern> {
            let parse = |(index, text): (usize, &String)| {
                let path = format!("session.handoff.{key}[{index}]");
                problems.check(path, text, Pattern::parse(text, false))
            };
            texts.iter().enumerate().filter_map(parse).collect()
        };
        let (login, logout) = (patterns("login", &handoff.login), patterns("logout", &handoff.logout));
        let same_site = match config.same_site.unwrap_or_default() {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
        };
        let secure = if own.is_secure { "; Secure" } else { "" };
        Self {
            idle,
            absolute,
            most: config.max_per_subject,
            cookie: own.session,
            attributes: format!("; Path=/{secure}; HttpOnly; SameSite={same_site}").into(),
            login,
            logout,
        }
    }

    /// A fresh session of `subject`, who signs in. The one that the client had, `replaces`, ends with its beginning.
    pub(crate) fn begin(
        &self,
        subject: &str,
        scopes: Vec<Box<str>>,
        replaces: Option<SessionKey>,
        now: Timestamp,
        entropy: &mut impl Entropy,
    ) -> BegunSession {
        let (key, record, cookie) = self.fresh(subject, scopes, now, entropy);
        let new = NewSession { key, record, replaces, most: self.most };
        BegunSession { query: Query::Begin(Box::new(new)), cookie }
    }

    /// The session `old` of `subject`, with a fresh id.
    pub(crate) fn renew(
        &self,
        old: SessionKey,
        subject: &str,
        scopes: Vec<Box<str>>,
        now: Timestamp,
        entropy: &mut impl Entropy,
    ) -> BegunSession {
        let (key, record, cookie) = self.fresh(subject, scopes, now, entropy);
        BegunSession { query: Query::Renew(Box::new(Renewal { old, key, record })), cookie }
    }

    fn fresh(
        &self,
        subject: &str,
        scopes: Vec<Box<str>>,
        now: Timestamp,
        entropy: &mut impl Entropy,
    ) -> (SessionKey, SessionRecord, Box<str>) {
        let id = SessionId::new(entropy);
        let record = SessionRecord::new(subject, scopes, now, self.idle, self.absolute);
        let cookie = format!("{}={}{}", self.cookie, id.expose(), self.attributes);
        (id.key(), record, cookie.into())
    }

    /// The `Set-Cookie` that takes the cookie from the client.
    pub(crate) fn expired_cookie(&self) -> Box<str> {
        format!("{}=; Max-Age=0{}", self.cookie, self.attributes).into()
    }

    /// The name of the cookie.
    pub(crate) const fn cookie_name(&self) -> &'static str {
        self.cookie
    }

    /// Whether the upstream may begin or end sessions in its answer to this request, whose path `matches` those patterns.
    #[inline]
    pub(crate) fn handoff(&self, method: &[u8], matches: impl Fn(&Pattern) -> bool) -> Option<HandoffRoute> {
        let named = |patterns: &[Pattern]| {
            patterns.iter().any(|pattern| pattern.covers_method(method) && matches(pattern))
        };
        let route = HandoffRoute { login: named(&self.login), logout: named(&self.logout) };
        (route != HandoffRoute::default()).then_some(route)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::HandoffConfig;
    use alloc::vec;

    struct Sevens;

    impl Entropy for Sevens {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn sessions(config: &SessionConfig, secure: bool) -> Sessions {
        let mut problems = Problems::default();
        let sessions = Sessions::compile(config, OwnCookies::new(secure), &mut problems);
        assert_eq!(problems.finish(), Ok([].into()));
        sessions
    }

    #[test]
    fn the_cookie_is_bound_to_host_and_https() {
        const ID: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
        let strict = SessionConfig { same_site: Some(SameSite::Strict), ..SessionConfig::default() };
        for (config, secure, begins, attributes) in [
            (SessionConfig::default(), true, "__Host-session=", "; Path=/; Secure; HttpOnly; SameSite=Lax"),
            (strict, true, "__Host-session=", "; Path=/; Secure; HttpOnly; SameSite=Strict"),
            (SessionConfig::default(), false, "bartizan-session=", "; Path=/; HttpOnly; SameSite=Lax"),
        ] {
            let sessions = sessions(&config, secure);
            let begun = sessions.begin("alice", vec![], None, Timestamp(0), &mut Sevens);
            assert_eq!(&*begun.cookie, format!("{begins}{ID}{attributes}"));
            assert_eq!(&*sessions.expired_cookie(), format!("{begins}; Max-Age=0{attributes}"));
        }
    }

    #[test]
    fn what_the_store_keeps_is_the_hash_and_what_the_policy_says() {
        let config = SessionConfig { max_per_subject: Some(3), ..SessionConfig::default() };
        let replaced = SessionKey::of(b"before");
        let begun = sessions(&config, true).begin(
            "alice",
            vec!["admin".into()],
            Some(replaced),
            Timestamp(5),
            &mut Sevens,
        );
        let Query::Begin(new) = begun.query else { panic!("{:?}", begun.query) };
        let id = begun.cookie.split(['=', ';']).nth(1).unwrap();
        assert_eq!(new.key, SessionKey::of(id.as_bytes()));
        assert_eq!((new.replaces, new.most), (Some(replaced), Some(3)));
        assert_eq!(new.record.ends(), Timestamp(5 + 30 * 60 * 1000));
        assert_eq!(new.record.expires, Timestamp(5 + 12 * 3600 * 1000));
        assert_eq!((&*new.record.subject, &new.record.scopes[..]), ("alice", &["admin".into()][..]));
    }

    #[test]
    fn a_renewal_is_of_the_session_that_there_is() {
        let old = SessionKey::of(b"before");
        let sessions = sessions(&SessionConfig::default(), true);
        let begun = sessions.renew(old, "alice", vec!["admin".into()], Timestamp(5), &mut Sevens);
        let Query::Renew(renewal) = begun.query else { panic!("{:?}", begun.query) };
        let id = begun.cookie.split(['=', ';']).nth(1).unwrap();
        assert_eq!((renewal.old, renewal.key), (old, SessionKey::of(id.as_bytes())));
        assert_eq!((&*renewal.record.subject, &renewal.record.scopes[..]), ("alice", &["admin".into()][..]));
        assert_eq!(renewal.record.expires, Timestamp(5 + 12 * 3600 * 1000));
    }

    #[test]
    fn hand_off_is_for_the_named_routes_alone() {
        let handoff = HandoffConfig { login: vec!["POST /login".into()], logout: vec!["* /out/**".into()] };
        let sessions = sessions(&SessionConfig { handoff: Some(handoff), ..SessionConfig::default() }, true);
        for (method, path, expected) in [
            ("POST", "/login", Some((true, false))),
            ("GET", "/login", None),
            ("POST", "/login/x", None),
            ("POST", "/out/now", Some((false, true))),
            ("POST", "/", None),
        ] {
            let found = sessions.handoff(method.as_bytes(), |pattern| pattern.matches(path.as_bytes()));
            assert_eq!(found.map(|route| (route.login, route.logout)), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_session_lives_from_a_second_to_a_year() {
        let second = Duration::from_secs(1);
        for (idle, absolute, errors, warnings) in [
            (second, LONGEST, 0, 0),
            (second, second, 0, 0),
            (second * 2, second, 0, 1),
            (LONGEST, LONGEST, 0, 0),
            (Duration::from_millis(999), second, 1, 0),
            (second, LONGEST + Duration::from_millis(1), 1, 0),
        ] {
            let config = SessionConfig {
                idle: Some(crate::policy::Duration(idle)),
                absolute: Some(crate::policy::Duration(absolute)),
                ..SessionConfig::default()
            };
            let mut problems = Problems::default();
            Sessions::compile(&config, OwnCookies::new(true), &mut problems);
            let found = match problems.finish() {
                Ok(warnings) => (0, warnings.len()),
                Err(errors) => (errors.len(), 0),
            };
            assert_eq!(found, (errors, warnings), "{idle:?} {absolute:?}");
        }
    }

    #[test]
    fn faults_are_told_where_they_stand() {
        let handoff = HandoffConfig { login: vec!["POST login".into()], logout: vec![] };
        let config = SessionConfig {
            idle: Some(crate::policy::Duration(Duration::ZERO)),
            absolute: Some(crate::policy::Duration(Duration::from_hours(9000))),
            max_per_subject: Some(0),
            handoff: Some(handoff),
            ..SessionConfig::default()
        };
        let mut problems = Problems::default();
        Sessions::compile(&config, OwnCookies::new(true), &mut problems);
        let paths: Vec<String> = problems.finish().unwrap_err().into_iter().map(|error| error.path).collect();
        assert_eq!(
            paths,
            ["session.idle", "session.absolute", "session.max_per_subject", "session.handoff.login[0]"]
        );
    }
}
