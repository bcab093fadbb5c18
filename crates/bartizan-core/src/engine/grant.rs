//! A request that may go on: what goes with it, and what is taken from it.

use alloc::{boxed::Box, sync::Arc};
use core::{net::IpAddr, time::Duration};

use super::{Engine, handoff::Handoff};
use crate::{
    CookieEdit, Denial, Entropy, Grant, Principal, Reason, Scheme, Timestamp,
    api_key::UsedKey,
    cookie,
    facts::CSRF_TOKEN,
    forwarding::{is_stripped, same_name},
    session::SessionKey,
};

impl Grant {
    /// The engine that decided.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The client's address, after the trusted proxies were asked.
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.context.client_ip
    }

    /// The client's scheme, after the trusted proxies were asked.
    pub fn scheme(&self) -> Scheme {
        self.context.scheme
    }

    /// The host that the client asked a trusted proxy for, where the policy names the header and the proxy sent
    /// it: `api.example.com`. `None` where the request's own host is the one that was asked for.
    pub fn forwarded_host(&self) -> Option<&[u8]> {
        self.context.seldom.as_ref()?.forwarded_host.as_deref()
    }

    /// The nonce of this response's Content Security Policy, 22 characters of base64. There is one where the
    /// route's pages have one and the request asks for a page (`Accept`, `Sec-Fetch-Dest`).
    pub fn nonce(&self) -> Option<&str> {
        self.context.nonce.as_ref().map(crate::decision::Nonce::as_str)
    }

    /// Who asks, if a credential was verified.
    pub fn principal(&self) -> Option<&Principal> {
        self.verified.as_ref().map(|verified| &*verified.principal)
    }

    /// The same, for whoever keeps it.
    pub fn shared_principal(&self) -> Option<Arc<Principal>> {
        self.verified.as_ref().map(|verified| Arc::clone(&verified.principal))
    }

    /// From when on the credential that was verified is refused: a session that has no further request, a token after its
    /// leeway, an API key that expires. `None` for one that never is.
    pub fn credential_ends(&self) -> Option<Timestamp> {
        self.verified.as_ref()?.ends
    }

    /// The session of the request, where a session was its credential.
    pub fn session(&self) -> Option<SessionKey> {
        self.verified.as_ref()?.session
    }

    /// The session that the lines of this request's `Cookie` header name, alive or not: for a handler of a route that
    /// requires none. Of a request that came in without identity (`cross_site = "anonymous"`), none.
    pub fn session_of<'r>(&self, cookies: impl Iterator<Item = &'r [u8]>) -> Option<SessionKey> {
        let sessions = self.engine.0.sessions.as_ref().filter(|_| !self.context.is_anonymous)?;
        let name = sessions.cookie_name().as_bytes();
        let mut values =
            cookies.flat_map(cookie::pairs).filter(|(found, _)| *found == name).map(|(_, value)| value);
        // Of two, one was planted.
        values.next().filter(|value| !value.is_empty() && values.next().is_none()).map(SessionKey::of)
    }

    /// The API key of the request, where one was its credential.
    pub fn api_key(&self) -> Option<UsedKey> {
        self.context.seldom.as_ref()?.api_key
    }

    /// The claims of the request's token, where one was its credential: one JSON object (RFC 7519 §4), as it was signed.
    pub fn claims(&self) -> Option<&[u8]> {
        self.verified.as_ref()?.claims.as_deref()
    }

    /// The `match` of the route that was selected; `None` where `[default]` holds.
    pub fn route(&self) -> Option<&str> {
        self.engine.pattern(self.context.route)
    }

    /// The nonce of the hand-off, 22 characters of base64, where the policy lets the upstream begin or end sessions on
    /// this route: a gateway sends it as `Bartizan-Handoff`.
    pub fn handoff_nonce(&self) -> Option<&str> {
        self.handoff().map(|handoff| handoff.nonce.as_str())
    }

    pub(super) fn handoff(&self) -> Option<&Handoff> {
        self.context.seldom.as_ref()?.handoff.as_ref()
    }

    /// What mode `report` would have refused; each belongs into the log.
    pub fn reports(&self) -> &[Reason] {
        self.context.seldom.as_ref().map_or(&[], |seldom| &seldom.reports)
    }

    /// The longest request body, in bytes.
    pub fn max_body(&self) -> u64 {
        self.engine.rules(self.context.route).max_body
    }

    /// Whether this is a WebSocket handshake that may pass; a tunnel only after a verified 101.
    pub fn is_websocket(&self) -> bool {
        self.context.is_websocket
    }

    /// Says that the response is for this client alone: a handler has begun or ended a session, and its cookie will be
    /// added to what [`respond`](Self::respond) gives, or it was given a CSRF token.
    pub fn make_personal(&mut self) {
        self.context.is_personal = true;
    }

    /// What is to be taken from the request before the handler sees it.
    pub fn request_edits(&self) -> RequestEdits<'_> {
        RequestEdits { grant: self }
    }

    /// A refusal after all: the body is too large, the upstream is gone, the handler panicked.
    pub fn fail(&self, reason: Reason, entropy: impl Entropy) -> Denial {
        self.engine.deny(reason, &self.context, entropy)
    }

    /// The same where the client is told when to come again: [too many logins have failed](crate::login::LoginGuard).
    pub fn fail_until(&self, reason: Reason, retry_after: Duration, entropy: impl Entropy) -> Denial {
        self.engine.deny_until(reason, retry_after, &self.context, entropy)
    }
}

/// What is to be taken from a request before the handler sees it.
#[derive(Clone, Copy, Debug)]
pub struct RequestEdits<'g> {
    grant: &'g Grant,
}

impl RequestEdits<'_> {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        !self.grant.context.edits.any
    }

    /// Whether this inbound header reaches the handler.
    ///
    /// What does not: names that are ours to assert, what proxies assert of the client, overrides of method and
    /// path, what `Connection` names, credentials that were consumed, an `Upgrade` that is not a WebSocket's.
    /// Hop-by-hop headers are a proxy's business: [`crate::is_hop_by_hop`].
    pub fn passes(&self, name: &[u8]) -> bool {
        self.is_empty() || self.passes_trailer(name)
    }

    /// Whether an inbound trailer of this name may reach the handler, as far as headers of that name do.
    ///
    /// Trailers come when the decision has been made (RFC 9110 §6.5), so that [`is_empty`](Self::is_empty) says
    /// nothing of them. What a name means at the end of a body is a proxy's business: fields that frame, route or
    /// authenticate a message have no place there.
    pub fn passes_trailer(&self, name: &[u8]) -> bool {
        let edits = &self.grant.context.edits;
        let is = |other: &[u8]| same_name(name, other);
        !(is_stripped(name)
            || self.grant.engine.0.proxy.as_ref().is_some_and(|proxy| proxy.names(name))
            || (edits.authorization && is(b"authorization"))
            || (edits.api_key && is(b"x-api-key"))
            || (edits.csrf_token && is(CSRF_TOKEN))
            || (edits.upgrade && is(b"upgrade"))
            || self.connection().iter().any(|named| is(named)))
    }

    /// What `Connection` names beyond the usual.
    fn connection(&self) -> &[Box<[u8]>] {
        self.grant.context.seldom.as_ref().map_or(&[], |seldom| &seldom.connection)
    }

    /// What becomes of a `Cookie` header: our own cookies go, and on `cross_site = "anonymous"` the login
    /// cookies of the upstream.
    pub fn cookie(&self, value: &[u8]) -> CookieEdit {
        let edits = &self.grant.context.edits;
        if !edits.own_cookies && !edits.ambient_cookies {
            return CookieEdit::Keep;
        }
        cookie::without(value, |name| {
            (edits.own_cookies && self.grant.engine.owns_cookie(name))
                || (edits.ambient_cookies
                    && self.grant.engine.0.ambient_cookies.iter().any(|ambient| **ambient == *name))
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::{
        Decision, Deployment, RequestHead, Step, Timestamp,
        keys::Keys,
        policy::{PolicyInput, load},
    };

    struct Zeros;
    impl Entropy for Zeros {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    /// The grant of a request with `headers`, under `policy`.
    fn grant(policy: &str, headers: &[(&str, &str)]) -> Grant {
        let text = format!("version = 1\norigin.public = ['http://localhost']\n{policy}");
        let policy = load(&PolicyInput { text: &text, ..PolicyInput::new("bartizan.toml") }).unwrap().policy;
        let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).ok();
        let deployment = Deployment { listen: "127.0.0.1:8080".parse().ok(), keys, ..Deployment::default() };
        let engine = Engine::build(&policy, &deployment).unwrap();
        let headers = [("host", "localhost")].iter().chain(headers);
        let request = RequestHead {
            method: b"POST",
            path: b"/",
            query: None,
            authority: None,
            scheme: Scheme::Http,
            peer: "127.0.0.1".parse().ok(),
            http2: false,
            headers: headers.map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        };
        let decision = engine.evaluate(&request, Timestamp(0), Zeros).step();
        let Step::Done(Decision::Allow(grant)) = decision else { panic!("not let through: {text}") };
        grant
    }

    #[test]
    fn a_trailer_gets_no_further_than_a_header_of_its_name() {
        const NOTHING: &[(&str, &str)] = &[];
        const FORWARDED: &str =
            "proxy = { trusted = ['10.0.0.1'], forwarded = { for = 'x-my-client', host = 'x-my-host' } }";
        for (policy, headers, name, passes) in [
            ("", NOTHING, "x-sum", true),
            ("", NOTHING, "x-my-client", true),
            ("", NOTHING, "x-forwarded-for", false),
            ("", NOTHING, "bartizan_assertion", false),
            // Whether the head has anything to be taken from it or not.
            (FORWARDED, NOTHING, "x-my-client", false),
            (FORWARDED, NOTHING, "X_My_Host", false),
            (FORWARDED, NOTHING, "x-sum", true),
            (FORWARDED, &[("x-my-client", "6.6.6.6")], "x-my-client", false),
            ("", &[("connection", "x-hop")], "x-hop", false),
            ("", NOTHING, "x-api-key", true),
            ("api_keys = {}\ndefault.require = 'nothing'", NOTHING, "x-api-key", false),
            ("api_keys = {}\ndefault.require = 'nothing'", NOTHING, "X_API_KEY", false),
        ] {
            let grant = grant(policy, headers);
            let edits = grant.request_edits();
            assert_eq!(edits.passes_trailer(name.as_bytes()), passes, "{name}: {policy}, {headers:?}");
            assert!(!passes || edits.passes(name.as_bytes()), "{name}: {policy}, {headers:?}");
        }
    }
}
