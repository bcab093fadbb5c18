//! What the controls need to know of a request's headers, found in one pass.

use arrayvec::ArrayVec;

use crate::{
    HeaderPair, RequestHead, cookie,
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
    pub(crate) csrf_token: Once<'r>,
    /// Whether a header of that name, written with `-` or `_`, has the form of a token of ours.
    pub(crate) has_csrf_token: bool,
    pub(crate) content_type: Once<'r>,

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
    pub(crate) pre_session: Option<&'r [u8]>,
    pub(crate) pre_session_copies: u8,
    pub(crate) token_cookie_copies: u8,
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
    /// The cookies of CSRF tokens, if tokens can be made.
    pub(crate) tokens: Option<TokenCookies>,
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

/// The names of the cookies that belong to CSRF tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenCookies {
    /// Whose a token is before login.
    pub(crate) pre_session: &'static [u8],
    /// The token itself, for scripts to read; it comes back and says nothing.
    pub(crate) token: &'static [u8],
}

impl Names<'_> {
    const fn has_cookies(&self) -> bool {
        self.session_cookie.is_some() || self.tokens.is_some() || !self.ambient_cookies.is_empty()
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
            csrf_token: Once::default(),
            has_csrf_token: false,
            content_type: Once::default(),
            content_length: Once::default(),
            transfer_encoding: Once::default(),
            upgrade: Once::default(),
            connection: ArrayVec::new(),
            connection_names_more: false,
            websocket_key: Once::default(),
            websocket_version: None,
            session: None,
            session_copies: 0,
            pre_session: None,
            pre_session_copies: 0,
            token_cookie_copies: 0,
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
            if names.tokens.is_some() && crate::forwarding::same_name(name, CSRF_TOKEN) {
                self.note_csrf_token(value);
            }
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
                // Of two, one was slipped in: what then stands here is no key.
                self.api_key = Some(if self.api_key.is_none() { value } else { b"" });
                self.has_stripped = true;
            }
            10 if name == b"connection" => {
                self.overflow |= self.connection.try_push(value).is_err();
                self.connection_names_more |= value != b"keep-alive" && value != b"close";
            }
            12 if name == b"content-type" => self.content_type.add(value),
            12 if name == CSRF_TOKEN && names.tokens.is_some() => {
                self.csrf_token.add(value);
                self.note_csrf_token(value);
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
        for pair in cookie::parts(value) {
            let pair = pair.trim_ascii();
            let (name, value) = cookie::split_at_first(b'=', pair);
            // Name and value without the `=`, as browsers count (RFC 6265bis §5.6).
            self.longest_cookie = self.longest_cookie.max(pair.len() - usize::from(value.is_some()));
            let Some(value) = value else {
                // To some programs this is a cookie of this name without a value.
                self.count_own_cookie(name, names);
                continue;
            };
            let name = name.trim_ascii_end();
            if let Some(own) = self.count_own_cookie(name, names) {
                let value = Some(value.trim_ascii_start()).filter(|value| !value.is_empty());
                match own {
                    OwnCookie::Session => self.session = value,
                    OwnCookie::PreSession => self.pre_session = value,
                    OwnCookie::Token => {}
                }
            }
            self.has_ambient_cookie |= names.ambient_cookies.iter().any(|ambient| **ambient == *name);
        }
    }

    /// Counts a cookie that has one of our names.
    fn count_own_cookie(&mut self, name: &[u8], names: &Names<'_>) -> Option<OwnCookie> {
        let (own, copies) = if names.session_cookie == Some(name) {
            (OwnCookie::Session, &mut self.session_copies)
        } else {
            match names.tokens {
                Some(tokens) if tokens.pre_session == name => {
                    (OwnCookie::PreSession, &mut self.pre_session_copies)
                }
                Some(tokens) if tokens.token == name => (OwnCookie::Token, &mut self.token_cookie_copies),
                _ => return None,
            }
        };
        *copies = copies.saturating_add(1);
        self.has_stripped = true;
        Some(own)
    }

    /// A token of ours is for no handler to see; whatever else an application calls by this name is its own.
    #[cold]
    fn note_csrf_token(&mut self, value: &[u8]) {
        let is_ours = crate::csrf_token::is_shaped(value);
        self.has_csrf_token |= is_ours;
        self.has_stripped |= is_ours;
    }

    /// Whether a cookie of ours came, whatever its value.
    pub(crate) const fn has_own_cookie(&self) -> bool {
        self.session_copies > 0 || self.has_token_cookie()
    }

    /// Whether a cookie that belongs to CSRF tokens came, whatever its value.
    pub(crate) const fn has_token_cookie(&self) -> bool {
        self.pre_session_copies > 0 || self.token_cookie_copies > 0
    }

    /// Whether a cookie of ours came more than once.
    pub(crate) const fn repeats_own_cookie(&self) -> bool {
        self.session_copies > 1 || self.pre_session_copies > 1 || self.token_cookie_copies > 1
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

    /// Whether a person opens a page with this, in a window of its own, whoever's link it was: cookies that are
    /// `SameSite=Lax` come with it (RFC 6265bis §5.2, §5.6.7.1).
    pub(crate) fn opens_page(&self) -> bool {
        self.method == b"GET" && self.fetch_mode == Some(b"navigate") && self.fetch_dest == Some(b"document")
    }

    /// Where `Sec-Fetch-Site` says that the request comes from. What says two things is neither `same-origin`
    /// nor `none`, and so counts as elsewhere.
    #[inline]
    pub(crate) fn site(&self) -> Option<&'r [u8]> {
        if self.fetch_site.is_contradictory() { Some(b"") } else { self.fetch_site.value() }
    }

    /// Whether the method cannot change anything (RFC 9110 §9.2.1), as far as we let it in.
    #[inline]
    pub(crate) fn is_safe(&self) -> bool {
        matches!(self.method, b"GET" | b"HEAD" | b"OPTIONS")
    }

    /// Whether `Upgrade` names websocket, in whatever company.
    #[inline]
    pub(crate) fn wants_websocket(&self) -> bool {
        !self.http2 && self.upgrade.value().is_some_and(|value| has_token(value, b"websocket"))
    }

    /// Whether a `Connection` header names `token`.
    pub(crate) fn connection_names(&self, token: &[u8]) -> bool {
        self.connection.iter().any(|value| has_token(value, token))
    }
}

/// The header that a CSRF token comes in.
pub(crate) const CSRF_TOKEN: &[u8] = b"x-csrf-token";

/// A cookie of ours.
#[derive(Clone, Copy)]
enum OwnCookie {
    Session,
    PreSession,
    Token,
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

#[inline]
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
pub(crate) mod tests;
