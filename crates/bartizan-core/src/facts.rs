//! What the controls need to know of a request's headers, found in one pass.

use arrayvec::ArrayVec;

use crate::{
    HeaderPair, RequestHead,
    forwarding::{Forwarded, Proxy},
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
    /// Whether `Connection` says anything but the usual `keep-alive` or `close`.
    pub(crate) connection_names_more: bool,
    pub(crate) websocket_key: Once<'r>,
    pub(crate) websocket_version: Option<&'r [u8]>,

    pub(crate) session: Option<&'r [u8]>,
    pub(crate) session_copies: u8,
    pub(crate) has_ambient_cookie: bool,
    /// The longest cookie of the lines that are long enough to have one that is too long.
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
    /// How long a cookie may be.
    pub(crate) max_cookie_bytes: usize,
}

impl Names<'_> {
    const fn has_cookies(&self) -> bool {
        self.session_cookie.is_some() || !self.ambient_cookies.is_empty()
    }
}

impl<'r> Facts<'r> {
    /// What the head says without its headers.
    pub(crate) fn of_target<H>(head: &RequestHead<'r, H>) -> Self {
        Facts {
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
            connection_names_more: false,
            websocket_key: Once::default(),
            websocket_version: None,
            session: None,
            session_copies: 0,
            has_ambient_cookie: false,
            longest_cookie: 0,
            cookie_bytes: 0,
            header_count: 0,
            header_bytes: 0,
            has_stripped: false,
            overflow: false,
        }
    }

    /// Reads every header once. What the proxies forwarded is needed by nobody but [`Proxy::way`].
    pub(crate) fn scan(
        &mut self,
        headers: impl Iterator<Item = HeaderPair<'r>>,
        names: &Names<'_>,
        forwarded: &mut Forwarded<'r>,
    ) {
        let (mut count, mut bytes) = (0, 0);
        for (name, value) in headers {
            count += 1;
            bytes += name.len() + value.len();
            self.add(name, value, names);
            if let Some(proxy) = names.proxy {
                self.has_stripped |= forwarded.add(name, value, proxy, names.trusted);
            }
        }
        (self.header_count, self.header_bytes) = (count, bytes);
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in one place, once per header of every request")]
    fn add(&mut self, name: &'r [u8], value: &'r [u8], names: &Names<'_>) {
        // HTTP/2 and most servers hand names over in lower case; only where one is not, it is lowered to be read.
        if !self.read(name, value, names) {
            if !is_plain(name) {
                self.read_lowered(name, value, names);
            }
            self.has_stripped |= crate::forwarding::is_stripped(name);
        }
    }

    #[cold]
    fn read_lowered(&mut self, name: &[u8], value: &'r [u8], names: &Names<'_>) {
        if let Some(lower) = lower(name, &mut [0; LONGEST_NAME]) {
            self.read(lower, value, names);
        }
    }

    /// Takes what a header says, by its name in lower case. Whether it is one that is read.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "once per header of every request; the other caller is rare")]
    fn read(&mut self, name: &[u8], value: &'r [u8], names: &Names<'_>) -> bool {
        // The length tells most names apart, and comparing with a name of known length takes a word or two.
        match name.len() {
            4 if name == b"host" => self.host.add(value),
            6 if name == b"accept" => self.accepts_html |= accepts_html(value),
            6 if name == b"cookie" => self.add_cookies(value, names),
            6 if name == b"origin" => self.origin.add(value),
            7 if name == b"upgrade" => self.upgrade.add(value),
            9 if name == b"x-api-key" && names.api_keys => {
                self.api_key = Some(value);
                self.has_stripped = true;
            }
            10 if name == b"connection" => {
                self.overflow |= self.connection.try_push(value).is_err();
                self.connection_names_more |= value != b"keep-alive" && value != b"close";
            }
            13 if name == b"authorization" => self.authorization.add(value),
            14 if name == b"sec-fetch-site" => self.fetch_site.add(value),
            14 if name == b"sec-fetch-mode" => self.fetch_mode = Some(value),
            14 if name == b"sec-fetch-dest" => self.fetch_dest = Some(value),
            14 if name == b"content-length" => self.content_length.add(value),
            17 if name == b"transfer-encoding" => self.transfer_encoding.add(value),
            17 if name == b"sec-websocket-key" => self.websocket_key.add(value),
            21 if name == b"sec-websocket-version" => self.websocket_version = Some(value),
            29 if name == b"access-control-request-method" => self.preflight_method = Some(value),
            30 if name == b"access-control-request-headers" => {
                self.overflow |= self.preflight_headers.try_push(value).is_err();
            }
            // What browsers send besides, and no control reads.
            7 if name == b"referer" => {}
            10 if name == b"user-agent" => {}
            12 if name == b"content-type" => {}
            15 if name == b"accept-encoding" || name == b"accept-language" => {}
            _ => return false,
        }
        true
    }

    /// HTTP/2 may send a cookie a header (RFC 9113 §8.2.3); limits and names hold for all of them together.
    fn add_cookies(&mut self, value: &'r [u8], names: &Names<'_>) {
        self.cookie_bytes += value.len();
        // Where the policy names no cookie, one that is no longer than a cookie may be is only counted.
        if names.has_cookies() || value.len() > names.max_cookie_bytes {
            self.read_cookies(value, names);
        }
    }

    fn read_cookies(&mut self, value: &'r [u8], names: &Names<'_>) {
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

/// The longest name that is read: `access-control-request-headers`.
const LONGEST_NAME: usize = 30;

/// `name` in lower case, unless it is too long to be one that is read.
fn lower<'b>(name: &[u8], buffer: &'b mut [u8; LONGEST_NAME]) -> Option<&'b [u8]> {
    let lower = buffer.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    Some(lower)
}

/// Whether a header's name has neither capitals nor `_`, and so is what it looks like.
///
/// Of the characters that a name can have (RFC 9110 §5.6.2), capitals, `^` and `_` alone have the bit 0x20 clear.
pub(crate) fn is_plain(name: &[u8]) -> bool {
    const BITS: u64 = u64::from_ne_bytes([0x20; 8]);
    let plain = |chunk: &[u8; 8]| u64::from_ne_bytes(*chunk) & BITS == BITS;
    match name.last_chunk() {
        // The last eight overlap the ones before them.
        Some(last) => plain(last) && name.as_chunks().0.iter().all(plain),
        None => name.iter().all(|byte| byte & 0x20 != 0),
    }
}

fn accepts_html(value: &[u8]) -> bool {
    // What scripts send.
    if value == b"*/*" || value == b"application/json" {
        return false;
    }
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
    use alloc::vec;

    pub(crate) const NO_NAMES: Names<'static> = Names {
        session_cookie: None,
        ambient_cookies: &[],
        proxy: None,
        trusted: false,
        api_keys: false,
        max_cookie_bytes: 0,
    };

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
        let mut facts = Facts::of_target(&head);
        facts.scan(head.headers, &names, &mut Forwarded::default());
        facts
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
    fn names_are_read_in_any_case() {
        for (name, is_read) in [
            ("sec-fetch-site", true),
            ("Sec-Fetch-Site", true),
            ("sec-fetch-sitE", true),
            ("SEC-FETCH-SITE", true),
            ("sec_fetch_site", false),
            ("sec-fetch-sites", false),
            ("sec-fetch-sitd", false),
        ] {
            let headers = [(name, "none")];
            let found = facts("GET", &headers);
            assert_eq!(found.fetch_site.value().is_some(), is_read, "{name}");
        }
        let long = "X".repeat(LONGEST_NAME + 1);
        assert_eq!(facts("GET", &[(&long, "x")]).header_count, 1);
        assert!(facts("GET", &[("ACCESS-CONTROL-REQUEST-HEADERS", "x")]).preflight_headers.len() == 1);
    }

    #[test]
    fn every_name_is_as_long_as_its_arm_says() {
        for name in [
            "host",
            "accept",
            "cookie",
            "origin",
            "upgrade",
            "referer",
            "x-api-key",
            "connection",
            "user-agent",
            "content-type",
            "authorization",
            "sec-fetch-site",
            "sec-fetch-mode",
            "sec-fetch-dest",
            "content-length",
            "accept-encoding",
            "accept-language",
            "transfer-encoding",
            "sec-websocket-key",
            "sec-websocket-version",
            "access-control-request-method",
            "access-control-request-headers",
        ] {
            let names = Names { api_keys: true, ..NO_NAMES };
            assert!(facts("GET", &[]).read(name.as_bytes(), b"x", &names), "{name}");
        }
    }

    #[test]
    fn a_plain_name_has_no_capital_and_no_underscore_anywhere() {
        for length in 0..=40 {
            let plain = vec![b'a'; length];
            assert!(is_plain(&plain));
            for at in 0..length {
                for (byte, expected) in
                    [(b'A', false), (b'Z', false), (b'_', false), (b'-', true), (b'z', true), (b'0', true)]
                {
                    let mut name = plain.clone();
                    name[at] = byte;
                    assert_eq!(is_plain(&name), expected, "{byte} at {at} of {length}");
                }
            }
        }
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
