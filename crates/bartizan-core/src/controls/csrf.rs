//! Cross-site request forgery, by where a request comes from (Fetch Metadata; ASVS 3.5.1). On the method as it
//! was sent: an override header or form field never makes a POST out of a GET for us.

use super::Finding;
use crate::{
    DenialCode, Scheme, Timestamp,
    csrf_token::{Binding, Proven, TokenFault, verify},
    facts::Facts,
    keys::Keys,
    origin::OriginSet,
    policy::{CrossSite, CsrfChoice},
};

/// Why a request of a method that changes nothing is let through.
pub(crate) const SAFE: &str = "the method is safe";

/// What a route says about CSRF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Csrf {
    pub(crate) choice: CsrfChoice,
    pub(crate) cross_site: CrossSite,
    /// `dangerously_skip_csrf`.
    pub(crate) skip: bool,
    /// Only credentials that no browser sends by itself are accepted, so there is nothing to forge with.
    pub(crate) explicit_only: bool,
    /// Each token is good for one request.
    pub(crate) one_time: bool,
}

/// What is found before authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origins<'r> {
    pub(crate) finding: Finding<'r>,
    /// The request comes in without identity.
    pub(crate) anonymous: bool,
    /// A token decides, after authentication.
    pub(crate) needs_token: bool,
    /// Whether the decision read `Sec-Fetch-Site`, so that a response may vary by it.
    pub(crate) read_fetch_site: bool,
}

impl Csrf {
    /// Tiers 1 to 5, up to the token.
    pub(crate) fn decide<'r>(self, facts: &Facts<'r>, origins: &OriginSet, scheme: Scheme) -> Origins<'r> {
        let outcome =
            |finding| Origins { finding, anonymous: false, needs_token: false, read_fetch_site: false };
        // Tier 1: these methods change nothing; WebSocket handshakes are judged on their own.
        if facts.is_safe() {
            return outcome(Finding::Skip(SAFE));
        }
        if self.skip {
            return outcome(Finding::Skip("dangerously_skip_csrf is set on this route"));
        }
        if self.explicit_only {
            return outcome(Finding::Skip(
                "the route accepts only credentials that no browser sends by itself",
            ));
        }
        let origin = facts.origin.value();
        let in_set = facts.origin.only().is_some_and(|origin| origins.contains(origin, scheme));
        let needs_token = self.choice == CsrfChoice::Token;
        let (finding, read_fetch_site) = match (facts.site(), origin) {
            // Tier 2: the page itself, or the person (address bar, bookmark).
            (Some(b"same-origin" | b"none"), _) => {
                (Finding::Pass("tier 2: Sec-Fetch-Site says that no other site is involved"), true)
            }
            // Tier 3: another origin, which has to be one of ours.
            (Some(_), _) if in_set => {
                (Finding::Pass("tier 3: from another origin, which is in the set"), true)
            }
            (Some(site), _) => (
                Finding::refuse(
                    DenialCode::CsrfCrossSite,
                    origin.unwrap_or(site),
                    "tier 3: Sec-Fetch-Site says that it comes from elsewhere, and its Origin is not in the set",
                ),
                true,
            ),
            // Tier 4: a browser without Fetch Metadata; `null` is never in the set.
            (None, Some(_)) if in_set => (Finding::Pass("tier 4: the Origin is in the set"), false),
            (None, Some(origin)) => (
                Finding::refuse(DenialCode::CsrfOrigin, origin, "tier 4: the Origin is not in the set"),
                false,
            ),
            // Tier 5: not a browser, or a very old one; then only a token tells.
            (None, None) if facts.session.is_some() || facts.has_ambient_cookie => {
                return Origins {
                    finding: Finding::Pass(
                        "tier 5: nothing says where it comes from, and it carries a login: a token decides",
                    ),
                    anonymous: false,
                    needs_token: true,
                    read_fetch_site: false,
                };
            }
            (None, None) => {
                (Finding::Pass("tier 5: no browser, and no login that one would have sent by itself"), false)
            }
        };
        if matches!(finding, Finding::Refuse { .. }) && self.cross_site == CrossSite::Anonymous {
            let finding =
                Finding::Pass("from elsewhere, let in without identity (cross_site = \"anonymous\")");
            return Origins { finding, anonymous: true, needs_token, read_fetch_site };
        }
        Origins { finding, anonymous: false, needs_token, read_fetch_site }
    }
}

/// A token is required, and there is nothing to make one with.
pub(crate) const NO_KEYS: Finding<'static> = Finding::refuse(
    DenialCode::CsrfTokenUnavailable,
    b"",
    "a token is required, and this deployment has no keys to make one with",
);

/// The token that a request brings, in `X-CSRF-Token` or, where that is not there, in a form. A cookie is neither: a
/// browser sends it by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presented<'t> {
    /// In neither.
    Nowhere,
    /// In a form, maybe, which cannot be read.
    InNoForm,
    /// More than once: two programs could pick two.
    Twice,
    Once(&'t [u8]),
}

/// Tier 5 and `csrf = "token"`: judges the token of the client that is known by `binding`. What stands in the token is
/// never told: it may be good elsewhere.
pub(crate) fn decide_token(
    presented: Presented<'_>,
    keys: &Keys,
    binding: Option<&Binding>,
    now: Timestamp,
) -> Result<Proven, Finding<'static>> {
    let missing = |why| Err(Finding::refuse(DenialCode::CsrfTokenMissing, b"", why));
    let invalid = |why| Err(Finding::refuse(DenialCode::CsrfTokenInvalid, b"", why));
    let token = match presented {
        Presented::Nowhere => {
            return missing("a token is required, and neither X-CSRF-Token nor a form brings one");
        }
        Presented::InNoForm => return missing("a token is required, and the form cannot be read"),
        Presented::Twice => return invalid("two tokens came: two programs could pick two"),
        Presented::Once(token) => token,
    };
    let Some(binding) = binding else {
        return invalid("the client has neither the session nor the pre-session that a token is bound to");
    };
    verify(keys, binding, token, now).or_else(|fault| {
        invalid(match fault {
            TokenFault::Malformed => "the token is none of ours",
            TokenFault::Period => "the token's key is not in use any more, or not yet",
            TokenFault::Mac => "the token was not made for this session or pre-session",
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        csrf_token::mint,
        facts::{
            Names,
            tests::{NO_NAMES, facts_with},
        },
        origin::OriginPattern,
    };

    fn origins() -> OriginSet {
        let mut set = OriginSet::default();
        for text in ["https://api.example.com", "https://app.example.com"] {
            set.push(OriginPattern::parse(text).unwrap());
        }
        set
    }

    #[test]
    fn tiers() {
        const SESSION: (&str, &str) = ("cookie", "__Host-session=x");
        let site = |value| ("sec-fetch-site", value);
        let from = |value| ("origin", value);
        let (own, app, evil) =
            (from("https://api.example.com"), from("https://app.example.com"), from("https://evil.example"));
        for (method, headers, expected, token) in [
            ("GET", &[site("cross-site"), evil, SESSION][..], None, false),
            ("HEAD", &[site("cross-site"), evil], None, false),
            ("OPTIONS", &[site("cross-site"), evil], None, false),
            ("POST", &[site("same-origin"), own, SESSION], None, false),
            ("POST", &[site("none"), SESSION], None, false),
            ("POST", &[site("same-origin"), evil], None, false),
            ("POST", &[site("same-site"), app], None, false),
            ("POST", &[site("cross-site"), app], None, false),
            ("POST", &[site("same-site")], Some("csrf.cross-site"), false),
            ("POST", &[site("cross-site")], Some("csrf.cross-site"), false),
            ("POST", &[site("cross-site"), evil], Some("csrf.cross-site"), false),
            ("POST", &[site("cross-site"), from("null")], Some("csrf.cross-site"), false),
            ("POST", &[site("Same-Origin"), evil], Some("csrf.cross-site"), false),
            ("POST", &[site(""), evil], Some("csrf.cross-site"), false),
            ("POST", &[site("same-origin"), site("cross-site")], Some("csrf.cross-site"), false),
            ("POST", &[site("cross-site"), site("same-origin")], Some("csrf.cross-site"), false),
            ("POST", &[own], None, false),
            ("POST", &[app, SESSION], None, false),
            ("POST", &[evil], Some("csrf.origin"), false),
            ("POST", &[from("null")], Some("csrf.origin"), false),
            ("POST", &[from("http://app.example.com")], Some("csrf.origin"), false),
            ("POST", &[app, evil], Some("csrf.origin"), false),
            ("POST", &[SESSION], None, true),
            ("POST", &[("cookie", "legacy=1")], None, true),
            ("POST", &[("cookie", "theme=dark")], None, false),
            ("POST", &[], None, false),
            ("DELETE", &[site("cross-site"), evil], Some("csrf.cross-site"), false),
            ("PURGE", &[evil], Some("csrf.origin"), false),
        ] {
            let ambient = [b"legacy".as_slice().into()];
            let names =
                Names { session_cookie: Some(b"__Host-session"), ambient_cookies: &ambient, ..NO_NAMES };
            let found =
                Csrf::default().decide(&facts_with(method, "/", headers, names), &origins(), Scheme::Https);
            assert_eq!((found.finding.code(), found.needs_token), (expected, token), "{method} {headers:?}");
        }
    }

    #[test]
    fn route_options() {
        let foreign = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
        let foreign = facts_with("POST", "/", &foreign, NO_NAMES);
        let judge = |csrf: Csrf| csrf.decide(&foreign, &origins(), Scheme::Https);
        assert_eq!(judge(Csrf { skip: true, ..Csrf::default() }).finding.code(), None);
        assert_eq!(judge(Csrf { explicit_only: true, ..Csrf::default() }).finding.code(), None);
        assert_eq!(
            judge(Csrf { choice: CsrfChoice::Token, ..Csrf::default() }).finding.code(),
            Some("csrf.cross-site")
        );
        let anonymous = judge(Csrf { cross_site: CrossSite::Anonymous, ..Csrf::default() });
        assert!(anonymous.finding.code().is_none() && anonymous.anonymous && anonymous.read_fetch_site);

        let own = facts_with("POST", "/", &[("sec-fetch-site", "same-origin")], NO_NAMES);
        let own = Csrf { choice: CsrfChoice::Token, cross_site: CrossSite::Anonymous, ..Csrf::default() }
            .decide(&own, &origins(), Scheme::Https);
        assert!(own.needs_token && !own.anonymous);
    }

    #[test]
    fn tokens() {
        struct Zeros;
        impl crate::Entropy for Zeros {
            fn fill(&mut self, bytes: &mut [u8]) {
                bytes.fill(0);
            }
        }
        let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
        let (now, day) = (Timestamp(1_700_000_000_000), 24 * 3600 * 1000);
        let own = Binding::Session(crate::session::SessionKey::of(b"alice's"));
        let other = Binding::Session(crate::session::SessionKey::of(b"bob's"));
        let token = mint(&keys, &own, now, &mut Zeros).unwrap();
        let token = Presented::Once(token.as_bytes());
        let (missing, invalid) = (Some("csrf.token-missing"), Some("csrf.token-invalid"));
        for (presented, binding, days, expected) in [
            (token, Some(&own), 0, None),
            (token, Some(&own), 30, None),
            (token, Some(&own), 60, invalid),
            (token, Some(&other), 0, invalid),
            (token, None, 0, invalid),
            (Presented::Once(b"abc"), Some(&own), 0, invalid),
            (Presented::Once(b""), Some(&own), 0, invalid),
            (Presented::Twice, Some(&own), 0, invalid),
            (Presented::Nowhere, Some(&own), 0, missing),
            (Presented::Nowhere, None, 0, missing),
            (Presented::InNoForm, Some(&own), 0, missing),
        ] {
            let decided = decide_token(presented, &keys, binding, Timestamp(now.0 + days * day));
            let code = decided.err().and_then(|finding| finding.code());
            assert_eq!(code, expected, "{presented:?} {binding:?} {days}");
        }
    }
}
