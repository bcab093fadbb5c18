//! Cookies on their way through: `Set-Cookie` hardened, `Cookie` read and thinned out.
//!
//! Both follow RFC 6265bis (draft-ietf-httpbis-rfc6265bis-22), and there the part that says what browsers do
//! with what servers send (§5.6, §5.7), for that is what a cookie amounts to. Whatever is not changed for a
//! stated reason stays as it is, byte for byte.
//!
//! Names are compared with case. Only the prefixes of names are not: browsers hold `__HOST-a` to the rules of
//! `__Host-` too (§5.7).

use alloc::{boxed::Box, vec::Vec};
use core::iter;

use crate::CookieEdit;

#[cfg(test)]
mod tests;

/// Cookies that scripts of the page are meant to read, where a policy does not name its own: the token of the
/// double-submit pattern, which a script copies into a request header. `HttpOnly` would break exactly that,
/// and would protect nothing: whoever can run a script in the page can send the request from there.
///
/// Of Django, Angular and axios, Flask-WTF and `FastAPI` libraries, Express's csurf, Phoenix.
pub const READABLE: &[&str] = &["csrftoken", "XSRF-TOKEN", "csrf_token", "csrf-token", "_csrf_token"];

/// Name and value together may have this many bytes; browsers ignore longer cookies (RFC 6265bis §5.6).
pub const MAX_BYTES: usize = 4096;

/// Browsers ignore an attribute whose value has more bytes than this (RFC 6265bis §5.6).
const MAX_ATTRIBUTE_BYTES: usize = 1024;

/// What cookies on their way to the client must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieRules {
    /// Whether clients come over https: every cookie gets `Secure`.
    pub secure: bool,
    /// Cookies that scripts may read: they get no `HttpOnly`.
    pub readable: Vec<Box<str>>,
    /// Cookies of our own, which no handler may set.
    pub owned: Vec<Box<str>>,
}

impl CookieRules {
    /// Whether a `Set-Cookie` would set, or take away, a cookie of [our own](Self::owned).
    ///
    /// ```
    /// use bartizan_core::cookie::CookieRules;
    /// let rules = CookieRules { owned: vec!["__Host-session".into()], ..CookieRules::default() };
    /// assert!(rules.own(b"__Host-session=x; Path=/; Secure"));
    /// // Sent back, it is `__Host-session=x`.
    /// assert!(rules.own(b"=__Host-session=x"));
    /// assert!(!rules.own(b"session=x"));
    /// ```
    pub fn own(&self, value: &[u8]) -> bool {
        let pair = value.split(|byte| *byte == b';').next().unwrap_or_default();
        let (name, content) = split_pair(pair).unwrap_or((b"", trim(pair)));
        self.own_pair(name, content)
    }

    fn own_pair(&self, name: &[u8], content: &[u8]) -> bool {
        // A cookie without a name is sent back as its bare value: `=session=x` comes back as `session=x`.
        let sent_as = if name.is_empty() { pair_of(content).0 } else { name };
        is_one_of(sent_as, &self.owned) || (name.is_empty() && is_one_of(content, &self.owned))
    }
}

impl Default for CookieRules {
    /// Clients come over https, [`READABLE`] cookies can be read, and none is our own.
    fn default() -> Self {
        Self {
            secure: true,
            readable: READABLE.iter().map(|name| (*name).into()).collect(),
            owned: Vec::new(),
        }
    }
}

/// What becomes of a `Set-Cookie`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hardened {
    /// It passes as it is.
    Keep,
    /// It passes with this value.
    Replace(Vec<u8>),
    /// It does not pass.
    Drop(DropReason),
}

/// Why a `Set-Cookie` does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// It has the name of a cookie of our own.
    Owned,
    /// Name and value have more than [`MAX_BYTES`].
    TooLong,
    /// It contains a control character, for which browsers ignore the whole cookie (§5.6).
    ControlCharacter,
    /// It has neither name nor value (§5.7).
    Empty,
    /// It has no name, and its value begins like a prefixed name: sent back, it would look like that cookie,
    /// without having kept the prefix's rules (§5.7).
    HiddenPrefix,
}

/// Hardens the value of one `Set-Cookie` header.
///
/// - `Secure`, if [`CookieRules::secure`] says so, and for the names whose prefix demands it (§4.1.3).
/// - `HttpOnly`, unless the name is [readable](CookieRules::readable).
/// - `SameSite=Lax` where no valid `SameSite` is in force (§5.6.7). An explicit one stands, except that `None`
///   becomes `Lax` where the cookie is not `Secure`: browsers would refuse it.
/// - A `__Host-` cookie has no `Domain` and `Path=/` (§4.1.3.2).
///
/// Of several attributes of one name the last is in force. Hardening what was hardened changes nothing.
///
/// ```
/// use bartizan_core::cookie::{CookieRules, Hardened, harden};
/// let rules = CookieRules::default();
/// assert_eq!(
///     harden(b"sid=31d4d96e; Path=/", &rules),
///     Hardened::Replace(b"sid=31d4d96e; Path=/; Secure; HttpOnly; SameSite=Lax".to_vec())
/// );
/// assert_eq!(harden(b"sid=1; HttpOnly; Secure; SameSite=Strict", &rules), Hardened::Keep);
/// // The page's script reads this one.
/// assert_eq!(harden(b"csrftoken=1; Secure; SameSite=Lax", &rules), Hardened::Keep);
/// ```
pub fn harden(value: &[u8], rules: &CookieRules) -> Hardened {
    if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Hardened::Drop(DropReason::ControlCharacter);
    }
    let mut parts = value.split(|byte| *byte == b';');
    let pair = parts.next().unwrap_or_default();
    let (name, content) = split_pair(pair).unwrap_or((b"", trim(pair)));
    if let Some(reason) = drop_reason(name, content, rules) {
        return Hardened::Drop(reason);
    }
    let prefix = Prefix::of(name);
    let found = Found::read(parts.clone());

    let mut edit = Edit::default();
    let secure = found.secure || rules.secure || prefix.demands_secure();
    edit.add_secure = secure && !found.secure;
    edit.add_http_only =
        !found.http_only && (prefix.demands_http_only() || !is_one_of(name, &rules.readable));
    match found.same_site {
        // Without Secure browsers refuse the cookie (§5.7).
        SameSite::None if !secure => edit.replace_same_site(),
        SameSite::Absent => edit.add_same_site = true,
        SameSite::Unknown => edit.replace_same_site(),
        SameSite::None | SameSite::LaxOrStrict => {}
    }
    if prefix.binds_to_host() {
        edit.remove_domain = found.domain;
        edit.remove_path = found.path.is_some_and(|path| path != b"/");
        edit.add_path = found.path != Some(b"/");
    }
    if edit == Edit::default() { Hardened::Keep } else { Hardened::Replace(edit.apply(value)) }
}

/// The cookies of a `Cookie` header, in order, as name and value; a cookie without `=` has no name (§5.8.3).
///
/// ```
/// use bartizan_core::cookie::pairs;
/// let found: Vec<_> = pairs(b"a=1; b=x=y ;c").collect();
/// assert_eq!(found, [(&b"a"[..], &b"1"[..]), (b"b", b"x=y"), (b"", b"c")]);
/// ```
pub fn pairs(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    crumbs(value).map(pair_of)
}

/// A `Cookie` header without the cookies whose name `drop` picks.
///
/// ```
/// use bartizan_core::{CookieEdit, cookie::without};
/// let ours = |name: &[u8]| name == b"__Host-session";
/// assert_eq!(without(b"a=1; b=2", ours), CookieEdit::Keep);
/// assert_eq!(without(b"a=1; __Host-session=x; b=2", ours), CookieEdit::Replace(b"a=1; b=2".to_vec()));
/// assert_eq!(without(b"__Host-session=x", ours), CookieEdit::Drop);
/// assert_eq!(without(b"a=1; __Host-session", ours), CookieEdit::Replace(b"a=1".to_vec()));
/// ```
pub fn without(value: &[u8], drop: impl Fn(&[u8]) -> bool) -> CookieEdit {
    // What has no `=` is a value to browsers, and a name to some programs.
    let stays = |crumb: &[u8]| {
        let (name, value) = pair_of(crumb);
        !(drop(name) || (name.is_empty() && drop(value)))
    };
    let Some(first) = crumbs(value).position(|crumb| !stays(crumb)) else { return CookieEdit::Keep };
    let before = crumbs(value).take(first);
    let mut left = Vec::new();
    for crumb in before.chain(crumbs(value).skip(first + 1).filter(|crumb| stays(crumb))) {
        if left.is_empty() {
            left.reserve(value.len());
        } else {
            left.extend_from_slice(b"; ");
        }
        left.extend_from_slice(crumb);
    }
    if left.is_empty() { CookieEdit::Drop } else { CookieEdit::Replace(left) }
}

/// The parts of a `Cookie` header, without white space around them; empty ones are none.
fn crumbs(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    parts(value).map(trim).filter(|crumb| !crumb.is_empty())
}

/// What is between the semicolons of a `Cookie` header.
pub(crate) fn parts(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = Some(value);
    iter::from_fn(move || {
        let (part, rest) = split_at_first(b';', left?);
        left = rest;
        Some(part)
    })
}

fn pair_of(crumb: &[u8]) -> (&[u8], &[u8]) {
    split_pair(crumb).unwrap_or((b"", crumb))
}

/// Splits at the first `=`, without white space around either side.
fn split_pair(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = split_at_first(b'=', part);
    Some((trim(name), trim(value?)))
}

/// What is before the first `separator`, and what is behind it, if there is one.
pub(crate) fn split_at_first(separator: u8, text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let at = memchr::memchr(separator, text).unwrap_or(text.len());
    let (before, rest) = text.split_at(at);
    (before, rest.get(1..))
}

/// White space here is space and tab (§2.2, `WSP`).
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

fn is_one_of(name: &[u8], names: &[Box<str>]) -> bool {
    names.iter().any(|known| known.as_bytes() == name)
}

fn drop_reason(name: &[u8], content: &[u8], rules: &CookieRules) -> Option<DropReason> {
    if name.is_empty() && content.is_empty() {
        Some(DropReason::Empty)
    } else if name.len().saturating_add(content.len()) > MAX_BYTES {
        Some(DropReason::TooLong)
    } else if rules.own_pair(name, content) {
        Some(DropReason::Owned)
    } else if name.is_empty() && Prefix::of(content) != Prefix::None {
        Some(DropReason::HiddenPrefix)
    } else {
        None
    }
}

/// The prefix of a cookie's name, and with it the rules that browsers hold the cookie to.
///
/// `__Secure-` and `__Host-` are RFC 6265bis §4.1.3; `__Http-` and `__Host-Http-` are of its successor
/// (draft-ietf-httpbis-layered-cookies) and enforced by Chromium since 140.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    None,
    Secure,
    Http,
    Host,
    HostHttp,
}

impl Prefix {
    fn of(name: &[u8]) -> Self {
        let begins =
            |prefix: &[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        if !begins(b"__") {
            Self::None
        } else if begins(b"__Host-Http-") {
            Self::HostHttp
        } else if begins(b"__Host-") {
            Self::Host
        } else if begins(b"__Http-") {
            Self::Http
        } else if begins(b"__Secure-") {
            Self::Secure
        } else {
            Self::None
        }
    }

    const fn demands_secure(self) -> bool {
        !matches!(self, Self::None)
    }

    const fn demands_http_only(self) -> bool {
        matches!(self, Self::Http | Self::HostHttp)
    }

    const fn binds_to_host(self) -> bool {
        matches!(self, Self::Host | Self::HostHttp)
    }
}

/// An attribute that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attribute<'v> {
    Secure,
    HttpOnly,
    SameSite(&'v [u8]),
    Path(&'v [u8]),
    Domain,
    /// Any other, and whatever browsers ignore.
    Other,
}

impl<'v> Attribute<'v> {
    /// Names are compared without case (§5.6).
    fn parse(part: &'v [u8]) -> Self {
        let (name, value) = split_pair(part).unwrap_or((trim(part), b""));
        if value.len() > MAX_ATTRIBUTE_BYTES {
            return Self::Other;
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"path") => Self::Path(value),
            6 if name.eq_ignore_ascii_case(b"secure") => Self::Secure,
            6 if name.eq_ignore_ascii_case(b"domain") => Self::Domain,
            8 if name.eq_ignore_ascii_case(b"httponly") => Self::HttpOnly,
            8 if name.eq_ignore_ascii_case(b"samesite") => Self::SameSite(value),
            _ => Self::Other,
        }
    }
}

/// The `SameSite` that is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SameSite {
    #[default]
    Absent,
    /// A value that no browser knows; it counts as absent, and takes the place of those before it.
    Unknown,
    None,
    LaxOrStrict,
}

/// Which attributes are in force.
#[derive(Default)]
struct Found<'v> {
    secure: bool,
    http_only: bool,
    same_site: SameSite,
    path: Option<&'v [u8]>,
    domain: bool,
}

impl<'v> Found<'v> {
    fn read(parts: impl Iterator<Item = &'v [u8]>) -> Self {
        let mut found = Self::default();
        for part in parts {
            match Attribute::parse(part) {
                Attribute::Secure => found.secure = true,
                Attribute::HttpOnly => found.http_only = true,
                Attribute::Domain => found.domain = true,
                Attribute::Path(path) => found.path = Some(path),
                Attribute::SameSite(value) => {
                    let is = |known: &[u8]| value.eq_ignore_ascii_case(known);
                    found.same_site = if is(b"none") {
                        SameSite::None
                    } else if is(b"lax") || is(b"strict") {
                        SameSite::LaxOrStrict
                    } else {
                        SameSite::Unknown
                    };
                }
                Attribute::Other => {}
            }
        }
        found
    }
}

/// What is done to a cookie. Attributes go where they contradict, and are added at the end.
#[derive(Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "seven independent edits, each yes or no")]
struct Edit {
    add_path: bool,
    add_secure: bool,
    add_http_only: bool,
    add_same_site: bool,
    remove_path: bool,
    remove_domain: bool,
    remove_same_site: bool,
}

impl Edit {
    const fn replace_same_site(&mut self) {
        self.remove_same_site = true;
        self.add_same_site = true;
    }

    fn removes(&self, part: &[u8]) -> bool {
        match Attribute::parse(part) {
            Attribute::Path(_) => self.remove_path,
            Attribute::Domain => self.remove_domain,
            Attribute::SameSite(_) => self.remove_same_site,
            Attribute::Secure | Attribute::HttpOnly | Attribute::Other => false,
        }
    }

    fn apply(&self, value: &[u8]) -> Vec<u8> {
        let additions = [
            (self.add_path, "Path=/"),
            (self.add_secure, "Secure"),
            (self.add_http_only, "HttpOnly"),
            (self.add_same_site, "SameSite=Lax"),
        ];
        let mut hardened = Vec::with_capacity(value.len() + "; Path=/; Secure; HttpOnly; SameSite=Lax".len());
        for (place, part) in value.split(|byte| *byte == b';').enumerate() {
            // The first part is the cookie itself, whatever it looks like.
            if place > 0 {
                if self.removes(part) {
                    continue;
                }
                hardened.push(b';');
            }
            hardened.extend_from_slice(part);
        }
        for (_, attribute) in additions.iter().filter(|(add, _)| *add) {
            // `a=b;` ends in an empty attribute: it takes the new one.
            hardened.extend_from_slice(if trim(&hardened).ends_with(b";") { b" " } else { b"; " });
            hardened.extend_from_slice(attribute.as_bytes());
        }
        hardened
    }
}
