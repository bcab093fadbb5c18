//! Rate limits, by the client's address and by the verified principal (RFC 6585 §4), and the headers that tell clients
//! of them (draft-ietf-httpapi-ratelimit-headers-10).

use alloc::{boxed::Box, format};
use core::{net::IpAddr, time::Duration};

use arrayvec::ArrayVec;

use crate::{
    HeaderId, PolicyErrorKind, Principal, Query, ResponseHeader, Timestamp,
    api_key::KeyId,
    error::Problems,
    headers::prepared::Prepared,
    limit::{LimitKey, Quota, RuleId, Taken},
    policy::{LimitConfig, LimitStore, Mode, RateLimitChoice, RateLimitConfig},
};

/// Whom a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    Address,
    Principal,
}

impl Whom {
    /// How the policy names its rules.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Address => "rate_limit.address",
            Self::Principal => "rate_limit.principal",
        }
    }
}

/// One rule: a bucket for each whom it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) id: RuleId,
    pub(crate) quota: Quota,
    pub(crate) store: LimitStore,
}

impl Rule {
    /// Asks to take `cost` from the bucket of whoever `parts` name together.
    pub(crate) fn take_named(self, parts: &[&[u8]], cost: u32, now: Timestamp) -> Query {
        self.take(LimitKey::named(self.id, parts), cost, now)
    }

    /// Asks to take `cost` from the bucket of a client's address.
    pub(crate) fn take_address(self, address: IpAddr, cost: u32, now: Timestamp) -> Query {
        self.take(LimitKey::address(self.id, address), cost, now)
    }

    /// Asks to take one from the principal's bucket, or its API key's: a key that is busy or has leaked leaves its owner's
    /// others theirs. The same name in a session and in a token need not be the same person, for tokens can have another
    /// issuer.
    pub(crate) fn take_principal(self, principal: &Principal, key: Option<KeyId>, now: Timestamp) -> Query {
        let kind = principal.kind.as_str().as_bytes();
        if let Some(key) = key {
            return self.take_named(&[kind, key.as_bytes()], 1, now);
        }
        let subject = principal.subject.as_bytes();
        match &principal.issuer {
            // A name is of its issuer.
            Some(issuer) => self.take_named(&[kind, issuer.as_bytes(), subject], 1, now),
            None => self.take_named(&[kind, subject], 1, now),
        }
    }

    fn take(self, key: LimitKey, cost: u32, now: Timestamp) -> Query {
        Query::Take { key, quota: self.quota, cost, store: self.store, now }
    }
}

/// What is limited on a route.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) mode: Mode,
    address: Option<Rule>,
    principal: Option<Rule>,
    /// The finished `RateLimit-Policy` where the address is counted, the principal is, both are.
    policies: [Option<HeaderId>; 3],
}

impl Limits {
    /// Compiles `[rate_limit]`, which holds where a route says nothing else.
    pub(crate) fn compile(
        config: &RateLimitConfig,
        mode: Mode,
        prepared: &mut Prepared,
        problems: &mut Problems,
    ) -> Self {
        let mut rule = |whom: Whom, config: Option<LimitConfig>| {
            let quota = quota(config?, whom.key(), problems);
            quota.map(|quota| (RuleId::named(&[whom.key()]), quota))
        };
        let rules = (rule(Whom::Address, config.address), rule(Whom::Principal, config.principal));
        let rule = |(id, quota)| Rule { id, quota, store: config.store };
        Self { mode, address: rules.0.map(rule), principal: rules.1.map(rule), ..Self::default() }
            .prepare(prepared)
    }

    /// What is limited on the route `pattern`, written at `at`: its own rules have buckets of their own, the others are
    /// those of `[rate_limit]`, whose buckets all routes share.
    pub(crate) fn on_route(
        &self,
        choice: &RateLimitChoice,
        pattern: &str,
        at: &str,
        store: LimitStore,
        prepared: &mut Prepared,
        problems: &mut Problems,
    ) -> Self {
        let own = match choice {
            RateLimitChoice::Mode(mode) => return Self { mode: *mode, ..self.clone() },
            RateLimitChoice::Rules(own) => own,
        };
        let mut rule = |whom: Whom, key: &str, config: Option<LimitConfig>, shared: Option<Rule>| {
            let Some(config) = config else { return shared };
            let quota = quota(config, &format!("{at}.rate_limit.{key}"), problems)?;
            Some(Rule { id: RuleId::named(&[pattern, whom.key()]), quota, store })
        };
        Self {
            mode: self.mode,
            address: rule(Whom::Address, "address", own.address, self.address),
            principal: rule(Whom::Principal, "principal", own.principal, self.principal),
            policies: [None; 3],
        }
        .prepare(prepared)
    }

    /// With the finished headers.
    fn prepare(mut self, prepared: &mut Prepared) -> Self {
        let policy = |name: &str, rule: Rule| {
            let (quota, window) = (rule.quota.burst(), seconds(rule.quota.window()));
            format!("\"{name}\";q={quota};w={window}")
        };
        let (address, principal) = (
            self.address.map(|rule| policy("address", rule)),
            self.principal.map(|rule| policy("principal", rule)),
        );
        let both = address.iter().zip(&principal).map(|(one, other)| format!("{one}, {other}")).next();
        self.policies = [address, principal, both]
            .map(|value| value.map(|value| prepared.add(ResponseHeader::RateLimitPolicy, &value)));
        self
    }

    /// The rule that counts `whom`, unless the control is off.
    pub(crate) const fn rule(&self, whom: Whom) -> Option<Rule> {
        match (self.mode, whom) {
            (Mode::Off, _) => None,
            (_, Whom::Address) => self.address,
            (_, Whom::Principal) => self.principal,
        }
    }

    /// Whether anything is counted.
    pub(crate) const fn any(&self) -> bool {
        self.rule(Whom::Address).is_some() || self.rule(Whom::Principal).is_some()
    }

    /// The finished `RateLimit-Policy` for what was counted.
    pub(crate) fn policy(&self, counts: &Counts) -> Option<HeaderId> {
        let [address, principal, both] = self.policies;
        match (counts.address, counts.principal) {
            (Some(_), Some(_)) => both,
            (Some(_), None) => address,
            (None, Some(_)) => principal,
            (None, None) => None,
        }
    }
}

/// What is written, as a quota.
pub(crate) fn quota(config: LimitConfig, at: &str, problems: &mut Problems) -> Option<Quota> {
    let mut out_of_range = |key: &str, value, range| {
        problems.error(format!("{at}{key}"), value, PolicyErrorKind::OutOfRange(range));
    };
    let burst = config.burst.unwrap_or(config.limit);
    if config.limit == 0 {
        out_of_range(".limit", Some("0"), "at least 1");
    }
    if config.burst == Some(0) {
        out_of_range(".burst", Some("0"), "at least 1");
    }
    if config.limit == 0 || config.burst == Some(0) {
        return None;
    }
    let quota = Quota::new(config.limit, config.per.0, burst);
    if quota.is_none() {
        out_of_range(
            "",
            None,
            "at most 1 000 000 a second, and a whole burst within 32 days: change `limit`, `per` or `burst`",
        );
    }
    quota
}

/// What came of counting a request; plain data, for the response's headers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    address: Option<Count>,
    principal: Option<Count>,
}

/// What is left in a bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    pub(crate) remaining: u32,
    /// How many seconds until all of it is there again; where it refused, until one more may come.
    seconds: u32,
    pub(crate) refused: bool,
}

impl From<Taken> for Count {
    fn from(taken: Taken) -> Self {
        // Clients take `t` for the time to come again, so it says the same as Retry-After (§7 of the draft).
        let wait =
            if taken.allowed { taken.reset_after } else { taken.retry_after.max(Duration::from_secs(1)) };
        Self { remaining: taken.remaining, seconds: seconds(wait), refused: !taken.allowed }
    }
}

impl Counts {
    pub(crate) const fn of(&self, whom: Whom) -> Option<Count> {
        match whom {
            Whom::Address => self.address,
            Whom::Principal => self.principal,
        }
    }

    pub(crate) const fn set(&mut self, whom: Whom, count: Count) {
        match whom {
            Whom::Address => self.address = Some(count),
            Whom::Principal => self.principal = Some(count),
        }
    }

    /// The value of `RateLimit`: `"address";r=42;t=3`.
    pub(crate) fn header(&self) -> Box<[u8]> {
        // Both with the largest numbers are 74 bytes, so there is room; and nothing is allocated but the value.
        let (mut text, mut digits) = (ArrayVec::<u8, 80>::new(), itoa::Buffer::new());
        let mut write = |part: &[u8]| {
            let written = text.try_extend_from_slice(part);
            debug_assert!(written.is_ok(), "it is longer than it can be");
        };
        let named: [(&[u8], &[u8], _); 2] =
            [(b"\"address\";r=", b"", self.address), (b"\"principal\";r=", b", ", self.principal)];
        for (name, separator, count) in named {
            if let Some(Count { remaining, seconds, .. }) = count {
                write(if self.address.is_some() { separator } else { b"" });
                write(name);
                write(digits.format(remaining).as_bytes());
                write(b";t=");
                write(digits.format(seconds).as_bytes());
            }
        }
        text.as_slice().into()
    }

    /// The value of `Retry-After`, where a bucket refused.
    pub(crate) fn retry_after(&self) -> Option<Box<[u8]>> {
        let refused = [self.address, self.principal].into_iter().flatten().find(|count| count.refused)?;
        Some(format!("{}", refused.seconds).into_bytes().into())
    }
}

/// Whole seconds (RFC 9110 §10.2.3), rounded up: whoever comes then is not refused again.
pub(crate) fn seconds(span: Duration) -> u32 {
    u32::try_from(span.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{CredentialKind, Duration as Written, RouteLimitConfig};
    use alloc::{string::String, vec::Vec};

    fn limit(limit: u32, seconds: u64, burst: Option<u32>) -> LimitConfig {
        LimitConfig { limit, per: Written(Duration::from_secs(seconds)), burst }
    }

    fn taken(allowed: bool, remaining: u32, retry_millis: u64, reset_millis: u64) -> Taken {
        Taken {
            allowed,
            remaining,
            retry_after: Duration::from_millis(retry_millis),
            reset_after: Duration::from_millis(reset_millis),
        }
    }

    #[test]
    fn what_no_quota_can_be_is_told_where_it_stands() {
        const BOUNDS: &str = "rate_limit.address";
        for (config, expected) in [
            (limit(600, 60, Some(100)), &[][..]),
            (limit(1, 60, None), &[]),
            (limit(0, 60, None), &["rate_limit.address.limit"]),
            (limit(0, 0, Some(0)), &["rate_limit.address.limit", "rate_limit.address.burst"]),
            (limit(1, 0, None), &[BOUNDS]),
            (limit(2_000_000, 1, None), &[BOUNDS]),
            (limit(1, 33 * 86_400, None), &[BOUNDS]),
            (limit(1, 86_400, Some(33)), &[BOUNDS]),
        ] {
            let mut problems = Problems::default();
            let quota = quota(config, "rate_limit.address", &mut problems);
            let paths: Vec<String> = match problems.finish() {
                Ok(_) => Vec::new(),
                Err(errors) => errors.into_iter().map(|error| error.path).collect(),
            };
            assert_eq!(paths, expected, "{config:?}");
            assert_eq!(quota.is_none(), !expected.is_empty(), "{config:?}");
        }
    }

    #[test]
    fn faults_of_the_policy_are_told_by_its_keys() {
        let (mut prepared, mut problems) = (Prepared::default(), Problems::default());
        let config = RateLimitConfig {
            address: Some(limit(0, 60, None)),
            principal: Some(limit(1, 0, None)),
            ..RateLimitConfig::default()
        };
        Limits::compile(&config, Mode::Enforce, &mut prepared, &mut problems);
        let paths: Vec<String> = problems.finish().unwrap_err().into_iter().map(|error| error.path).collect();
        assert_eq!(paths, ["rate_limit.address.limit", "rate_limit.principal"]);
    }

    #[test]
    fn a_route_counts_by_itself_what_it_names_and_inherits_the_rest() {
        let (mut prepared, mut problems) = (Prepared::default(), Problems::default());
        let config = RateLimitConfig {
            address: Some(limit(600, 60, Some(100))),
            principal: Some(limit(10, 1, None)),
            ..RateLimitConfig::default()
        };
        let global = Limits::compile(&config, Mode::Enforce, &mut prepared, &mut problems);
        let own = RouteLimitConfig { address: Some(limit(5, 60, None)), principal: None };
        let mut on = |choice, pattern| {
            global.on_route(&choice, pattern, "route[0]", LimitStore::Local, &mut prepared, &mut problems)
        };
        let one = on(RateLimitChoice::Rules(own), "POST /a");
        let other = on(RateLimitChoice::Rules(own), "POST /b");
        let off = on(RateLimitChoice::Mode(Mode::Off), "POST /c");
        let report = on(RateLimitChoice::Mode(Mode::Report), "POST /d");

        let id = |limits: &Limits, whom| limits.rule(whom).map(|rule| rule.id);
        assert_ne!(id(&one, Whom::Address), id(&global, Whom::Address));
        assert_ne!(id(&one, Whom::Address), id(&other, Whom::Address));
        assert_ne!(id(&global, Whom::Address), id(&global, Whom::Principal));
        assert_eq!(one.rule(Whom::Principal), global.rule(Whom::Principal));
        assert_eq!((off.any(), report.mode, report.any()), (false, Mode::Report, true));
        assert_eq!(report.rule(Whom::Address), global.rule(Whom::Address));

        let policy = |limits: &Limits, address: bool, principal: bool| {
            let count = Count::from(taken(true, 1, 0, 0));
            let counts = Counts { address: address.then_some(count), principal: principal.then_some(count) };
            limits.policy(&counts).and_then(|id| prepared.get(id)).map(|header| header.value.clone())
        };
        for (limits, address, principal, expected) in [
            (&global, true, false, Some("\"address\";q=100;w=10")),
            (&global, false, true, Some("\"principal\";q=10;w=1")),
            (&global, true, true, Some("\"address\";q=100;w=10, \"principal\";q=10;w=1")),
            (&one, true, false, Some("\"address\";q=5;w=60")),
            (&one, true, true, Some("\"address\";q=5;w=60, \"principal\";q=10;w=1")),
            (&global, false, false, None),
        ] {
            assert_eq!(policy(limits, address, principal).as_deref(), expected);
        }
    }

    #[test]
    fn headers_round_up_and_say_when_to_come_again() {
        for (address, principal, header, retry_after) in [
            (Some(taken(true, 42, 0, 2100)), None, "\"address\";r=42;t=3", None),
            (Some(taken(true, 42, 0, 0)), None, "\"address\";r=42;t=0", None),
            // Whatever a store says: who is refused is not told to come at once.
            (Some(taken(false, 0, 0, 9000)), None, "\"address\";r=0;t=1", Some("1")),
            (Some(taken(false, 0, 1, 9000)), None, "\"address\";r=0;t=1", Some("1")),
            (Some(taken(false, 0, 1001, 9000)), None, "\"address\";r=0;t=2", Some("2")),
            (
                Some(taken(true, u32::MAX, 0, u64::from(u32::MAX) * 1000)),
                Some(taken(true, u32::MAX, 0, u64::from(u32::MAX) * 2000)),
                "\"address\";r=4294967295;t=4294967295, \"principal\";r=4294967295;t=4294967295",
                None,
            ),
            (
                Some(taken(true, 9, 0, 1000)),
                Some(taken(false, 0, 60_000, 90_000)),
                "\"address\";r=9;t=1, \"principal\";r=0;t=60",
                Some("60"),
            ),
        ] {
            let counts = Counts { address: address.map(Count::from), principal: principal.map(Count::from) };
            assert_eq!(&*counts.header(), header.as_bytes());
            assert_eq!(counts.retry_after().as_deref(), retry_after.map(str::as_bytes), "{header}");
        }
    }

    #[test]
    fn a_principal_is_a_name_and_how_it_was_proved() {
        let rule = Rule {
            id: RuleId::named(&["x"]),
            quota: Quota::new(1, Duration::from_secs(1), 1).unwrap(),
            store: LimitStore::Shared,
        };
        let take = |subject: &str, kind| {
            let principal = Principal { subject: subject.into(), issuer: None, kind, scopes: Vec::new() };
            rule.take_principal(&principal, None, Timestamp(7))
        };
        assert_eq!(take("alice", CredentialKind::Session), take("alice", CredentialKind::Session));
        assert_ne!(take("alice", CredentialKind::Session), take("alice", CredentialKind::Jwt));
        assert_ne!(take("alice", CredentialKind::Session), take("bob", CredentialKind::Session));
        // Nor are two whose issuers say the same of them.
        let of = |issuer: Option<&str>, subject: &str| {
            let (issuer, kind) = (issuer.map(Into::into), CredentialKind::Jwt);
            rule.take_principal(
                &Principal { subject: subject.into(), issuer, kind, scopes: Vec::new() },
                None,
                Timestamp(7),
            )
        };
        assert_eq!(of(None, "alice"), take("alice", CredentialKind::Jwt));
        assert_eq!(of(Some("https://a"), "alice"), of(Some("https://a"), "alice"));
        assert_ne!(of(Some("https://a"), "alice"), of(None, "alice"));
        assert_ne!(of(Some("https://a"), "alice"), of(Some("https://b"), "alice"));
        assert_ne!(of(Some("https://a"), "balice"), of(Some("https://ab"), "alice"));
        // A key is counted by itself, whoever has it.
        let key = |owner: &str, id: [u8; 16]| {
            let (subject, kind) = (owner.into(), CredentialKind::ApiKey);
            let principal = Principal { subject, issuer: None, kind, scopes: Vec::new() };
            rule.take_principal(&principal, Some(KeyId::from_bytes(id)), Timestamp(7))
        };
        assert_eq!(key("alice", [1; 16]), key("alice", [1; 16]));
        assert_ne!(key("alice", [1; 16]), key("alice", [2; 16]));
        // One whose owner has the bytes of its id for a name.
        assert_ne!(key("alice", [b'a'; 16]), take("aaaaaaaaaaaaaaaa", CredentialKind::Session));
        let Query::Take { cost, store, now, .. } = key("alice", [1; 16]) else { panic!() };
        assert_eq!((cost, store, now), (1, LimitStore::Shared, Timestamp(7)));
    }
}
