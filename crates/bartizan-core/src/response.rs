//! What the engine is told about a response, and what it wants done to it.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{fmt, time::Duration};

use arrayvec::ArrayVec;

use crate::{controls::session::BegunSession, login::LoginTurn};

/// A response's head, as the handler or upstream made it.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<H> {
    /// The status code, 100 to 599.
    pub status: u16,
    /// The headers: name and value as bytes, in order; names in any case.
    pub headers: H,
}

/// Declares the response headers that the engine knows by name.
macro_rules! response_headers {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal; )+) => {
        /// A response header that the engine reads, sets or removes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum ResponseHeader { $( $(#[$doc])* #[doc = concat!("`", $name, "`")] $variant, )+ }

        impl ResponseHeader {
            /// All of them.
            pub const ALL: &[Self] = &[ $( Self::$variant, )+ ];

            /// The name in lower case, as HTTP/2 and `HeaderMap` write it.
            pub const fn as_str(self) -> &'static str { match self { $( Self::$variant => $name, )+ } }
        }
    };
}

response_headers! {
    Vary = "vary";
    Allow = "allow";
    Server = "server";
    Sunset = "sunset";
    Location = "location";
    RateLimit = "ratelimit";
    SetCookie = "set-cookie";
    RetryAfter = "retry-after";
    ContentType = "content-type";
    CacheControl = "cache-control";
    XPoweredBy = "x-powered-by";
    XAspnetVersion = "x-aspnet-version";
    XFrameOptions = "x-frame-options";
    ContentLength = "content-length";
    ContentEncoding = "content-encoding";
    ReferrerPolicy = "referrer-policy";
    ClearSiteData = "clear-site-data";
    XXssProtection = "x-xss-protection";
    PermissionsPolicy = "permissions-policy";
    ContentDisposition = "content-disposition";
    OriginAgentCluster = "origin-agent-cluster";
    XContentTypeOptions = "x-content-type-options";
    RateLimitPolicy = "ratelimit-policy";
    WwwAuthenticate = "www-authenticate";
    StrictTransportSecurity = "strict-transport-security";
    ContentSecurityPolicy = "content-security-policy";
    ContentSecurityPolicyReportOnly = "content-security-policy-report-only";
    CrossOriginOpenerPolicy = "cross-origin-opener-policy";
    CrossOriginResourcePolicy = "cross-origin-resource-policy";
    XPermittedCrossDomainPolicies = "x-permitted-cross-domain-policies";
    AccessControlAllowOrigin = "access-control-allow-origin";
    AccessControlAllowCredentials = "access-control-allow-credentials";
    AccessControlAllowMethods = "access-control-allow-methods";
    AccessControlAllowHeaders = "access-control-allow-headers";
    AccessControlExposeHeaders = "access-control-expose-headers";
    AccessControlMaxAge = "access-control-max-age";
    AccessControlAllowPrivateNetwork = "access-control-allow-private-network";
}

impl ResponseHeader {
    /// The header of this name, in any case, if the engine knows it.
    #[inline]
    pub fn identify(name: &[u8]) -> Option<Self> {
        // Nearly every response has these two.
        if name == b"content-type" {
            return Some(Self::ContentType);
        }
        if name == b"content-length" {
            return Some(Self::ContentLength);
        }
        Self::identify_other(name)
    }

    fn identify_other(name: &[u8]) -> Option<Self> {
        let candidates = BY_LENGTH.get(name.len())?;
        let exactly = candidates.iter().copied().find(|known| known.as_str().as_bytes() == name);
        // Most names come in lower case, and then there is nothing else to find.
        if exactly.is_some() || crate::facts::is_plain(name) {
            return exactly;
        }
        candidates.iter().copied().find(|known| known.as_str().as_bytes().eq_ignore_ascii_case(name))
    }

    pub(crate) const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// The headers by the length of their names: the length tells most names apart before a byte is compared.
const BY_LENGTH: [&[ResponseHeader]; 37] = {
    use ResponseHeader as H;
    let mut lists: [&[ResponseHeader]; 37] = [&[]; 37];
    lists[4] = &[H::Vary];
    lists[5] = &[H::Allow];
    lists[6] = &[H::Server, H::Sunset];
    lists[8] = &[H::Location];
    lists[9] = &[H::RateLimit];
    lists[10] = &[H::SetCookie];
    lists[11] = &[H::RetryAfter];
    lists[12] = &[H::ContentType, H::XPoweredBy];
    lists[13] = &[H::CacheControl];
    lists[14] = &[H::ContentLength];
    lists[15] = &[H::XFrameOptions, H::ReferrerPolicy, H::ClearSiteData];
    lists[16] =
        &[H::XXssProtection, H::ContentEncoding, H::XAspnetVersion, H::WwwAuthenticate, H::RateLimitPolicy];
    lists[18] = &[H::PermissionsPolicy];
    lists[19] = &[H::ContentDisposition];
    lists[20] = &[H::OriginAgentCluster];
    lists[22] = &[H::XContentTypeOptions, H::AccessControlMaxAge];
    lists[23] = &[H::ContentSecurityPolicy];
    lists[25] = &[H::StrictTransportSecurity];
    lists[26] = &[H::CrossOriginOpenerPolicy];
    lists[27] = &[H::AccessControlAllowOrigin];
    lists[28] = &[H::CrossOriginResourcePolicy, H::AccessControlAllowMethods, H::AccessControlAllowHeaders];
    lists[29] = &[H::AccessControlExposeHeaders];
    lists[32] = &[H::AccessControlAllowCredentials];
    lists[33] = &[H::XPermittedCrossDomainPolicies];
    lists[35] = &[H::ContentSecurityPolicyReportOnly];
    lists[36] = &[H::AccessControlAllowPrivateNetwork];
    lists
};

/// A set of [`ResponseHeader`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderSet(u64);

impl HeaderSet {
    /// Puts `header` in.
    pub const fn insert(&mut self, header: ResponseHeader) {
        self.0 |= header.bit();
    }

    /// The set of `headers`.
    pub(crate) const fn of(headers: &[ResponseHeader]) -> Self {
        let mut set = Self(0);
        let mut rest = headers;
        while let [first, others @ ..] = rest {
            set.insert(*first);
            rest = others;
        }
        set
    }

    /// Puts all of `other` in.
    pub(crate) const fn extend(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether `header` is in it.
    pub const fn contains(self, header: ResponseHeader) -> bool {
        self.0 & header.bit() != 0
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its members.
    pub fn iter(self) -> impl Iterator<Item = ResponseHeader> {
        ResponseHeader::ALL.iter().copied().filter(move |header| self.contains(*header))
    }
}

/// A header that was finished when the engine was built: an index into [`crate::Engine::prepared_headers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderId(pub(crate) u16);

impl HeaderId {
    /// Its place in [`crate::Engine::prepared_headers`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A header that was finished when the engine was built.
///
/// A surface turns the whole list into its own types once, and then only copies references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedHeader {
    /// The name.
    pub name: ResponseHeader,
    /// The value: visible ASCII.
    pub value: Box<str>,
}

/// What is to be done to a response, in this order: [`removed`](Self::removed) goes, then
/// [`prepared`](Self::prepared), [`computed`](Self::computed) and [`set_cookies`](Self::set_cookies) are
/// appended. Where there is a [`replacement`](Self::replacement), it is sent instead of the whole response.
#[derive(Clone, Debug, Default)]
pub struct ResponseEdits {
    pub(crate) removed: HeaderSet,
    pub(crate) removes_protected: bool,
    pub(crate) prepared: ArrayVec<HeaderId, 24>,
    pub(crate) computed: Vec<(ResponseHeader, Box<[u8]>)>,
    pub(crate) set_cookies: Vec<Box<[u8]>>,
    pub(crate) dropped_cookies: u8,
    /// What few responses have; edits are moved from hand to hand, and on the heap this weighs one pointer.
    pub(crate) seldom: Option<Box<SeldomEdits>>,
}

/// What few responses have.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeldomEdits {
    pub(crate) replacement: Option<crate::Denial>,
    /// What replaces the response as long as something is pending, so that nothing gets out by a surface that asks nobody.
    pub(crate) unanswered: Option<crate::Denial>,
    pub(crate) reports: Vec<crate::Reason>,
    pub(crate) pending: Option<Pending>,
    pub(crate) delay: Duration,
}

/// What a response waits for.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// Until it was asked.
    pub(crate) query: Option<crate::Query>,
    pub(crate) then: Then,
}

/// What a response gets when the store has answered.
#[derive(Clone)]
pub(crate) enum Then {
    /// What the limits of logins say, by this answer and further ones.
    Judge(Box<LoginTurn>, Next),
    Nothing,
    /// The cookie of a session that has begun.
    SetCookie(Box<str>),
    /// The client's session is over.
    SignedOut,
}

/// What follows where the limits of logins let it.
#[derive(Clone)]
pub(crate) enum Next {
    /// The response, as it is.
    Respond,
    /// The session of a login.
    Begin(BegunSession),
}

impl core::fmt::Debug for Then {
    /// Not the cookie.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Judge(..) => "Judge([redacted])",
            Self::Nothing => "Nothing",
            Self::SetCookie(_) => "SetCookie([redacted])",
            Self::SignedOut => "SignedOut",
        })
    }
}

impl ResponseEdits {
    /// What the store is to be asked before these edits are whole; once. Supply the answer to the grant that made
    /// them, and ask again: more may follow. Until all is answered, 503 is the [`replacement`](Self::replacement).
    pub fn take_query(&mut self) -> Option<crate::Query> {
        self.seldom.as_mut()?.pending.as_mut()?.query.take()
    }

    /// How long to put the answer off, so that an account is not guessed at from many addresses at once; mostly zero, and
    /// 30 seconds at most.
    pub fn delay(&self) -> Duration {
        self.seldom.as_ref().map_or(Duration::ZERO, |seldom| seldom.delay)
    }

    /// What few responses have, made where it is first needed.
    pub(crate) fn seldom(&mut self) -> &mut SeldomEdits {
        self.seldom.get_or_insert_default()
    }

    /// Appends a finished header. No kind has as many as there is room for.
    pub(crate) fn prepare(&mut self, id: HeaderId) {
        let added = self.prepared.try_push(id).is_ok();
        debug_assert!(added, "more headers than a response can get");
    }

    /// Appends finished headers.
    pub(crate) fn prepare_all(&mut self, ids: &[HeaderId]) {
        let added = self.prepared.try_extend_from_slice(ids).is_ok();
        debug_assert!(added, "more headers than a response can get");
    }

    /// Headers that the response has and that go: all copies of each.
    pub const fn removed(&self) -> HeaderSet {
        self.removed
    }

    /// Whether the response has headers that go by the family of their name, not by [`removed`](Self::removed):
    /// those that are [ours](crate::is_protected), and `Access-Control-*` that nobody has heard of. Then each
    /// header is to be asked about by [`removes`](Self::removes).
    pub const fn removes_protected(&self) -> bool {
        self.removes_protected
    }

    /// Headers to append, finished when the engine was built.
    pub fn prepared(&self) -> &[HeaderId] {
        &self.prepared
    }

    /// Headers to append that belong to this response alone (a nonce, an echoed origin).
    pub fn computed(&self) -> &[(ResponseHeader, Box<[u8]>)] {
        &self.computed
    }

    /// The response's cookies, hardened; the originals are among [`removed`](Self::removed).
    pub fn set_cookies(&self) -> &[Box<[u8]>] {
        &self.set_cookies
    }

    /// How many cookies were dropped: ours by name, or too long.
    pub const fn dropped_cookies(&self) -> u8 {
        self.dropped_cookies
    }

    /// What mode `report` would have refused, seen only when the response came (isolation, failed logins), and hand-offs that
    /// were refused; each belongs into the log.
    pub fn reports(&self) -> &[crate::Reason] {
        self.seldom.as_ref().map_or(&[], |seldom| &seldom.reports)
    }

    /// What is sent instead of the whole response: an error page of the application became a problem document, too many
    /// logins have failed, or the store [was not asked](Self::take_query).
    pub fn replacement(&self) -> Option<&crate::Denial> {
        let seldom = self.seldom.as_ref()?;
        seldom.unanswered.as_ref().or(seldom.replacement.as_ref())
    }

    /// Takes the replacement out.
    pub fn take_replacement(&mut self) -> Option<crate::Denial> {
        let seldom = self.seldom.as_mut()?;
        seldom.unanswered.take().or_else(|| seldom.replacement.take())
    }

    /// Whether a header of the response goes: for surfaces that copy headers one by one.
    pub fn removes(&self, name: &[u8]) -> bool {
        (!self.removed.is_empty()
            && ResponseHeader::identify(name).is_some_and(|header| self.removed.contains(header)))
            || (self.removes_protected && (crate::is_protected(name) || is_sharing(name)))
    }
}

/// Whether a header is one of CORS, known or not.
pub(crate) fn is_sharing(name: &[u8]) -> bool {
    name.split_at_checked(15).is_some_and(|(start, _)| start.eq_ignore_ascii_case(b"access-control-"))
        && ResponseHeader::identify(name).is_none()
}

/// A whole response that Bartizan made: a refusal, a preflight, a redirect, a health check.
///
/// It keeps the engine that made it, whose finished headers it names.
#[derive(Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body; empty for preflights and redirects. A surface leaves it out in the answer to HEAD.
    pub body: Box<[u8]>,
    engine: crate::Engine,
    /// On the heap: a decision that lets a request through is moved with the room for this one.
    headers: Box<ReplyHeaders>,
}

#[derive(Clone, Default)]
struct ReplyHeaders {
    prepared: ArrayVec<HeaderId, 24>,
    computed: Vec<(ResponseHeader, Box<[u8]>)>,
}

impl Reply {
    /// A reply with neither headers nor body.
    pub(crate) fn new(engine: crate::Engine, status: u16) -> Self {
        Self { status, body: Box::default(), engine, headers: Box::default() }
    }

    /// Appends a finished header. No reply has as many as there is room for.
    pub(crate) fn prepare(&mut self, id: HeaderId) {
        let added = self.headers.prepared.try_push(id).is_ok();
        debug_assert!(added, "more headers than a reply can get");
    }

    /// Leaves these finished headers out.
    pub(crate) fn leave_out(&mut self, ids: &[HeaderId]) {
        self.headers.prepared.retain(|id| !ids.contains(id));
    }

    /// Appends a header of this reply alone.
    pub(crate) fn compute(&mut self, name: ResponseHeader, value: Box<[u8]>) {
        self.headers.computed.push((name, value));
    }

    /// The headers that were finished when the engine was built; the [`computed`](Self::computed) ones follow.
    pub fn prepared(&self) -> &[HeaderId] {
        &self.headers.prepared
    }

    /// The headers that belong to this reply alone (a location, an echoed origin).
    pub fn computed(&self) -> &[(ResponseHeader, Box<[u8]>)] {
        &self.headers.computed
    }

    /// All headers, in order; without `Content-Length`, which the surface knows from the body.
    pub fn headers(&self) -> impl Iterator<Item = (ResponseHeader, &[u8])> {
        let all = self.engine.prepared_headers();
        let prepared = self.prepared().iter().filter_map(|id| all.get(id.index()));
        let prepared = prepared.map(|header| (header.name, header.value.as_bytes()));
        prepared.chain(self.computed().iter().map(|(name, value)| (*name, &**value)))
    }

    /// The first value of `header`.
    pub fn header(&self, header: ResponseHeader) -> Option<&[u8]> {
        self.headers().find(|(name, _)| *name == header).map(|(_, value)| value)
    }
}

impl PartialEq for Reply {
    /// Whether a client gets the same.
    fn eq(&self, other: &Self) -> bool {
        self.status == other.status && self.body == other.body && self.headers().eq(other.headers())
    }
}

impl Eq for Reply {}

impl fmt::Debug for Reply {
    /// What a client gets; not the engine.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> =
            self.headers().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value))).collect();
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("headers", &headers)
            .field("body", &String::from_utf8_lossy(&self.body))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_again_in_any_case() {
        for &header in ResponseHeader::ALL {
            let name = header.as_str().as_bytes();
            assert_eq!(ResponseHeader::identify(name), Some(header), "{header:?}");
            assert_eq!(ResponseHeader::identify(&name.to_ascii_uppercase()), Some(header), "{header:?}");
            assert_eq!(ResponseHeader::identify(&[name, b"x"].concat()), None, "{header:?}");
        }
        assert_eq!(ResponseHeader::identify(b""), None);
        assert_eq!(ResponseHeader::identify(&[b'a'; 4096]), None);
    }
}
