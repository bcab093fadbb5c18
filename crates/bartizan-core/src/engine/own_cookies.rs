//! Our own cookies: their names, and how they are set.

use alloc::{boxed::Box, format};

use crate::facts::TokenCookies;

/// The names of our cookies, one set for all requests of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnCookies {
    pub(crate) session: &'static str,
    pub(super) pre_session: &'static str,
    pub(super) csrf_token: &'static str,
    /// Whether they are bound to the host and to https.
    pub(crate) is_secure: bool,
}

/// A link from another site arrives with the pre-session, so that no page begins a second one.
const OF_PRE_SESSION: &str = "; HttpOnly; SameSite=Lax";
/// Scripts of the page read it, and nobody needs it to be sent back.
const OF_TOKEN: &str = "; SameSite=Strict";

impl OwnCookies {
    /// `__Host-` binds a cookie to the host that set it, so that no sibling can plant one (RFC 6265bis §4.1.3.2). It asks
    /// for `Secure`, which no browser keeps for a public origin of plain http; that is for development alone.
    pub(crate) const fn new(is_secure: bool) -> Self {
        if is_secure {
            Self {
                session: "__Host-session",
                pre_session: "__Host-presession",
                csrf_token: "__Host-csrf-token",
                is_secure,
            }
        } else {
            // Applications have cookies that are called `session`.
            Self {
                session: "bartizan-session",
                pre_session: "bartizan-presession",
                csrf_token: "bartizan-csrf-token",
                is_secure,
            }
        }
    }

    /// Those that belong to CSRF tokens.
    pub(super) const fn of_tokens(&self) -> TokenCookies {
        TokenCookies { pre_session: self.pre_session.as_bytes(), token: self.csrf_token.as_bytes() }
    }

    /// The `Set-Cookie` of a pre-session. It lives as long as the browser runs.
    pub(super) fn set_pre_session(&self, id: &str) -> Box<[u8]> {
        self.set(self.pre_session, id, OF_PRE_SESSION)
    }

    /// The `Set-Cookie` of a token.
    pub(super) fn set_csrf_token(&self, token: &str) -> Box<[u8]> {
        self.set(self.csrf_token, token, OF_TOKEN)
    }

    /// The `Set-Cookie`s that take both from the client.
    pub(super) fn expire_tokens(&self) -> [Box<[u8]>; 2] {
        [(self.pre_session, OF_PRE_SESSION), (self.csrf_token, OF_TOKEN)]
            .map(|(name, attributes)| self.set(name, "", &format!("; Max-Age=0{attributes}")))
    }

    fn set(&self, name: &str, value: &str, attributes: &str) -> Box<[u8]> {
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/{secure}{attributes}").into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_bound_to_host_and_https_where_a_browser_keeps_them() {
        let (secure, plain) = (OwnCookies::new(true), OwnCookies::new(false));
        for (cookie, expected) in [
            (secure.set_pre_session("x"), "__Host-presession=x; Path=/; Secure; HttpOnly; SameSite=Lax"),
            (secure.set_csrf_token("x"), "__Host-csrf-token=x; Path=/; Secure; SameSite=Strict"),
            (plain.set_pre_session("x"), "bartizan-presession=x; Path=/; HttpOnly; SameSite=Lax"),
            (plain.set_csrf_token("x"), "bartizan-csrf-token=x; Path=/; SameSite=Strict"),
        ] {
            assert_eq!(&*cookie, expected.as_bytes());
        }
        for (cookies, expected) in [
            (
                secure,
                [
                    "__Host-presession=; Path=/; Secure; Max-Age=0; HttpOnly; SameSite=Lax",
                    "__Host-csrf-token=; Path=/; Secure; Max-Age=0; SameSite=Strict",
                ],
            ),
            (
                plain,
                [
                    "bartizan-presession=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
                    "bartizan-csrf-token=; Path=/; Max-Age=0; SameSite=Strict",
                ],
            ),
        ] {
            assert_eq!(cookies.expire_tokens(), expected.map(|text| text.as_bytes().into()));
        }
    }
}
