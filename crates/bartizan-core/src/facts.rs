//! What the controls need to know of a request's headers, found in one pass.

use arrayvec::ArrayVec;

use crate::{
    HeaderPair, RequestHead,
    forwarding::{Proxy, same_name},
};

/// A request's head as the controls see it: borrowed, flat, read once.
#[derive(Clone, Debug)]
pub(crate) struct Facts<'r> {
    pub(crate) method: &'r [u8],
    pub(crate) path: &'r [u8],
    pub(crate) query: Option<&'r [u8]>,
    pub(crate) authority: Option<&'r [u8]>,
    pub(crate) http2: bool,

    pub(crate) host: Once<'r>,
    pub(crate) origin: Once<'r>,
    pub(crate) authorization: Once<'r>,
    pub(crate) api_key: Option<&'r [u8]>,
    pub(crate) fetch_site: Once<'r>,
    pub(crate) fetch_mode: Option<&'r [u8]>,
    pub(crate) fetch_dest: Option<&'r [u8]>,
    pub(crate) preflight_method: Option<&'r [u8]>,
    pub(crate) preflight_headers: ArrayVec<&'r [u8], 4>,
    pub(crate) accepts_html: bool,

    pub(crate) content_length: Once<'r>,
    pub(crate) transfer_encoding: Once<'r>,
    pub(crate) upgrade: Once<'r>,
    pub(crate) connection: ArrayVec<&'r [u8], 4>,
    pub(crate) websocket_key: Once<'r>,
    pub(crate) websocket_version: Option<&'r [u8]>,

    /// The configured forwarded headers' values, in order, from a trusted peer only.
    pub(crate) forwarded_for: ArrayVec<&'r [u8], 8>,
    pub(crate) forwarded_proto: Option<&'r [u8]>,
    pub(crate) forwarded_host: Option<&'r [u8]>,

    pub(crate) session: Option<&'r [u8]>,
    pub(crate) session_copies: u8,
    pub(crate) has_ambient_cookie: bool,
    pub(crate) longest_cookie: usize,
    pub(crate) cookie_bytes: usize,

    pub(crate) header_count: usize,
    pub(crate) header_bytes: usize,
    /// Whether a header came that a handler must not see.
    pub(crate) has_stripped: bool,
    /// More lines of one kind than there is room for; such a request is refused.
    pub(crate) overflow: bool,
}

/// A header that may come once: its first value, whether it came again, and whether the copies agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Once<'r> {
    value: Option<&'r [u8]>,
    repeated: bool,
    differs: bool,
}

impl<'r> Once<'r> {
    fn add(&mut self, value: &'r [u8]) {
        match self.value {
            None => self.value = Some(value),
            Some(first) => {
                self.repeated = true;
                self.differs |= first != value;
            }
        }
    }

    pub(crate) const fn value(self) -> Option<&'r [u8]> {
        self.value
    }

    /// Its value, if it came once.
    pub(crate) const fn only(self) -> Option<&'r [u8]> {
        if self.repeated { None } else { self.value }
    }

    pub(crate) const fn is_repeated(self) -> bool {
        self.repeated
    }

    /// Whether it came more than once with different values.
    pub(crate) const fn is_contradictory(self) -> bool {
        self.differs
    }
}

/// What the scan looks for that the policy names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'e> {
    /// Our session cookie, if sessions are configured.
    pub(crate) session_cookie: Option<&'e [u8]>,
    /// The upstream's cookies that carry a login.
    pub(crate) ambient_cookies: &'e [alloc::boxed::Box<[u8]>],
    /// Which headers carry forwarded facts.
    pub(crate) proxy: Option<&'e Proxy>,
    /// Whether the peer is one whose forwarded headers are believed.
    pub(crate) trusted: bool,
    /// Whether API keys are configured.
    pub(crate) api_keys: bool,
}

impl<'r> Facts<'r> {
    /// Reads every header once.
    pub(crate) fn scan<H>(head: &RequestHead<'r, H>, names: Names<'_>) -> Self
    where
        H: Iterator<Item = HeaderPair<'r>> + Clone,
    {
        let mut facts = Facts {
            method: head.method,
            path: head.path,
            query: head.query,
            authority: head.authority,
            http2: head.http2,
            host: Once::default(),
            origin: Once::default(),
            authorization: Once::default(),
            api_key: None,
            fetch_site: Once::default(),
            fetch_mode: None,
            fetch_dest: None,
            preflight_method: None,
            preflight_headers: ArrayVec::new(),
            accepts_html: false,
            content_length: Once::default(),
            transfer_encoding: Once::default(),
            upgrade: Once::default(),
            connection: ArrayVec::new(),
            websocket_key: Once::default(),
            websocket_version: None,
            forwarded_for: ArrayVec::new(),
            forwarded_proto: None,
            forwarded_host: None,
            session: None,
            session_copies: 0,
            has_ambient_cookie: false,
            longest_cookie: 0,
            cookie_bytes: 0,
            header_count: 0,
            header_bytes: 0,
            has_stripped: false,
            overflow: false,
        };
        for (name, value) in head.headers.clone() {
            facts.add(name, value, names);
        }
        facts
    }

    fn add(&mut self, name: &'r [u8], value: &'r [u8], names: Names<'_>) {
        self.header_count += 1;
        self.header_bytes += name.len() + value.len();
        let is = |expected: &[u8]| name.eq_ignore_ascii_case(expected);
        match name.len() {
            4 if is(b"host") => self.host.add(value),
            6 if is(b"accept") => self.accepts_html |= accepts_html(value),
            6 if is(b"cookie") => self.add_cookies(value, names),
            6 if is(b"origin") => self.origin.add(value),
            7 if is(b"upgrade") => self.upgrade.add(value),
            9 if names.api_keys && is(b"x-api-key") => {
                self.api_key = Some(value);
                self.has_stripped = true;
            }
            10 if is(b"connection") => self.overflow |= self.connection.try_push(value).is_err(),
            13 if is(b"authorization") => self.authorization.add(value),
            14 if is(b"sec-fetch-site") => self.fetch_site.add(value),
            14 if is(b"sec-fetch-mode") => self.fetch_mode = Some(value),
            14 if is(b"sec-fetch-dest") => self.fetch_dest = Some(value),
            14 if is(b"content-length") => self.content_length.add(value),
            17 if is(b"transfer-encoding") => self.transfer_encoding.add(value),
            17 if is(b"sec-websocket-key") => self.websocket_key.add(value),
            21 if is(b"sec-websocket-version") => self.websocket_version = Some(value),
            29 if is(b"access-control-request-method") => self.preflight_method = Some(value),
            30 if is(b"access-control-request-headers") => {
                self.overflow |= self.preflight_headers.try_push(value).is_err();
            }
            _ => {}
        }
        if crate::forwarding::is_stripped(name) {
            self.has_stripped = true;
        }
        if let Some(proxy) = names.proxy {
            self.add_forwarded(name, value, proxy, names.trusted);
        }
    }

    fn add_forwarded(&mut self, name: &[u8], value: &'r [u8], proxy: &Proxy, trusted: bool) {
        let is = |configured: &Option<alloc::boxed::Box<[u8]>>| {
            configured.as_ref().is_some_and(|configured| same_name(name, configured))
        };
        let (client, proto, host) = (is(&proxy.client), is(&proxy.proto), is(&proxy.host));
        self.has_stripped |= client || proto || host;
        if !trusted || name.contains(&b'_') {
            return;
        }
        if client {
            if self.forwarded_for.is_full() {
                // The rightmost lines are the nearest proxies'; the oldest line is the least believable.
                self.forwarded_for.remove(0);
            }
            self.forwarded_for.push(value);
        }
        if proto {
            self.forwarded_proto = Some(value);
        }
        if host {
            self.forwarded_host = Some(value);
        }
    }

    /// HTTP/2 may send a cookie a header (RFC 9113 §8.2.3); limits and names hold for all of them together.
    fn add_cookies(&mut self, value: &'r [u8], names: Names<'_>) {
        self.cookie_bytes += value.len();
        for pair in value.split(|&byte| byte == b';') {
            let pair = pair.trim_ascii();
            let equals = pair.iter().position(|&byte| byte == b'=');
            // Name and value without the `=`, as browsers count (RFC 6265bis §5.6).
            self.longest_cookie = self.longest_cookie.max(pair.len() - usize::from(equals.is_some()));
            let Some(equals) = equals else {
                // To some programs this is a cookie of this name without a value.
                if names.session_cookie == Some(pair) {
                    self.session_copies = self.session_copies.saturating_add(1);
                    self.has_stripped = true;
                }
                continue;
            };
            let (name, rest) = pair.split_at(equals);
            let name = name.trim_ascii_end();
            if names.session_cookie == Some(name) {
                self.session = rest.get(1..).map(<[u8]>::trim_ascii_start).filter(|value| !value.is_empty());
                self.session_copies = self.session_copies.saturating_add(1);
                self.has_stripped = true;
            }
            self.has_ambient_cookie |= names.ambient_cookies.iter().any(|ambient| **ambient == *name);
        }
    }

    /// Whether a browser is loading a page: then a nonce is offered, and a refusal is a page too.
    pub(crate) fn asks_for_page(&self) -> bool {
        self.accepts_html || matches!(self.fetch_dest, Some(b"document" | b"iframe" | b"frame"))
    }

    /// Whether this is a navigation, whose answer a person sees: by Fetch Metadata, or by what is accepted.
    pub(crate) fn is_navigation(&self) -> bool {
        match self.fetch_mode {
            Some(mode) => mode == b"navigate",
            None => self.accepts_html,
        }
    }

    /// Where `Sec-Fetch-Site` says that the request comes from. What says two things is neither `same-origin`
    /// nor `none`, and so counts as elsewhere.
    pub(crate) fn site(&self) -> Option<&'r [u8]> {
        if self.fetch_site.is_contradictory() { Some(b"") } else { self.fetch_site.value() }
    }

    /// Whether the method cannot change anything (RFC 9110 §9.2.1), as far as we let it in.
    pub(crate) fn is_safe(&self) -> bool {
        matches!(self.method, b"GET" | b"HEAD" | b"OPTIONS")
    }

    /// Whether `Upgrade` names websocket, in whatever company.
    pub(crate) fn wants_websocket(&self) -> bool {
        !self.http2 && self.upgrade.value().is_some_and(|value| has_token(value, b"websocket"))
    }

    /// Whether a `Connection` header names `token`.
    pub(crate) fn connection_names(&self, token: &[u8]) -> bool {
        self.connection.iter().any(|value| has_token(value, token))
    }
}

fn accepts_html(value: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|range| {
        let media_type = range.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        media_type.eq_ignore_ascii_case(b"text/html")
            || media_type.eq_ignore_ascii_case(b"application/xhtml+xml")
    })
}

/// The members of a comma-separated list, trimmed, without empty ones (RFC 9110 §5.6.1).
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// Whether a comma-separated list has `token`, in any case.
pub(crate) fn has_token(value: &[u8], token: &[u8]) -> bool {
    list(value).any(|member| member.eq_ignore_ascii_case(token))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Scheme;

    pub(crate) const NO_NAMES: Names<'static> =
        Names { session_cookie: None, ambient_cookies: &[], proxy: None, trusted: false, api_keys: false };

    /// The facts of a request to `/`, for tables of tests.
    pub(crate) fn facts<'r>(method: &'r str, headers: &'r [(&'r str, &'r str)]) -> Facts<'r> {
        facts_with(method, "/", headers, NO_NAMES)
    }

    pub(crate) fn facts_with<'r>(
        method: &'r str,
        path: &'r str,
        headers: &'r [(&'r str, &'r str)],
        names: Names<'_>,
    ) -> Facts<'r> {
        let head = RequestHead {
            method: method.as_bytes(),
            path: path.as_bytes(),
            query: None,
            authority: None,
            scheme: Scheme::Http,
            peer: None,
            http2: false,
            headers: headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        };
        Facts::scan(&head, names)
    }

    #[test]
    fn cookies_are_counted_over_all_lines() {
        let ambient = [b"legacy".as_slice().into()];
        let names = Names { session_cookie: Some(b"__Host-session"), ambient_cookies: &ambient, ..NO_NAMES };
        let lines = [("cookie", "a=1; __Host-session=one"), ("Cookie", "legacy=x;__Host-session=two")];
        let found = facts_with("GET", "/", &lines, names);
        assert_eq!(found.session_copies, 2);
        assert!(found.has_ambient_cookie && found.has_stripped);
        assert_eq!(found.cookie_bytes, 23 + 27);
        assert_eq!(found.longest_cookie, 17);
        let bare = facts_with("GET", "/", &[("cookie", "a=1; __Host-session; __Host-session=")], names);
        assert_eq!((bare.session_copies, bare.session, bare.has_stripped), (2, None, true));
        let other = facts_with("GET", "/", &[("cookie", "legacy2=x; __host-session=no")], names);
        assert!(!other.has_ambient_cookie && other.session.is_none());
    }

    #[test]
    fn a_page_is_asked_for_by_accept_or_destination() {
        for (headers, expected) in [
            (&[("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")][..], true),
            (&[("accept", "application/json"), ("accept", "TEXT/HTML ; q=1")], true),
            (&[("accept", "*/*")], false),
            (&[("accept", "text/html-sandboxed")], false),
            (&[("sec-fetch-dest", "iframe")], true),
            (&[("sec-fetch-dest", "empty")], false),
            (&[], false),
        ] {
            assert_eq!(facts("GET", headers).asks_for_page(), expected, "{headers:?}");
        }
    }
}
