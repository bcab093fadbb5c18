//! The response side: one pass over the response's headers, then what has to change.

use alloc::{boxed::Box, vec::Vec};

use super::{api_key, handoff::HandoffHeader};
use crate::{
    Clock, DenialCode, Entropy, Grant, HeaderPair, HeaderSet, Reason, ResponseEdits, ResponseHead,
    ResponseHeader, Scheme,
    controls::{Finding, cors::Sharing, isolation},
    cookie::{CookieRules, DropReason, Hardened, harden},
    facts::{has_token, list},
    forwarding::is_protected,
    headers::{
        Kind,
        csp::{Framing, HandlerCsp},
        kind,
        table::{KindCsp, KindHeaders, Rule},
    },
    policy::Mode,
    response::is_sharing,
};

/// What a response's headers say.
struct Seen<'h> {
    present: HeaderSet,
    has_protected: bool,
    kind: Kind,
    is_json: bool,
    is_attachment: bool,
    csp: HandlerCsp,
    cache_control: Option<Box<[u8]>>,
    is_public: bool,
    varies_by: Vec<Box<[u8]>>,
    retry_after: Option<Box<[u8]>>,
    cookies: Vec<Box<[u8]>>,
    has_cookies: bool,
    dropped_cookies: u8,
    handoff: Vec<(HandoffHeader, &'h [u8])>,
}

/// Of a handler, nobody learns what it runs on.
const TELLTALES: HeaderSet = HeaderSet::of(&[
    ResponseHeader::Server,
    ResponseHeader::XPoweredBy,
    ResponseHeader::XAspnetVersion,
    ResponseHeader::XXssProtection,
]);

/// Only the engine writes these.
const SHARING: HeaderSet = HeaderSet::of(&[
    ResponseHeader::AccessControlAllowOrigin,
    ResponseHeader::AccessControlAllowCredentials,
    ResponseHeader::AccessControlAllowMethods,
    ResponseHeader::AccessControlAllowHeaders,
    ResponseHeader::AccessControlExposeHeaders,
    ResponseHeader::AccessControlMaxAge,
    ResponseHeader::AccessControlAllowPrivateNetwork,
]);

impl Grant {
    /// Judges the handler's response: what is removed, added, hardened, or sent in its place.
    ///
    /// Where a session begins or ends with it, or a login has failed, there are [questions](ResponseEdits::take_query) for
    /// the store before the edits are whole; [`supply`](Self::supply) their answers.
    pub fn respond<'h, H>(
        &self,
        head: ResponseHead<H>,
        clock: impl Clock,
        mut entropy: impl Entropy,
    ) -> ResponseEdits
    where
        H: Iterator<Item = HeaderPair<'h>>,
    {
        let status = head.status;
        let seen = self.look(head.headers);
        let mut edits = ResponseEdits::default();
        if let Some(denial) = self.judge(&seen, status, &mut edits, &mut entropy) {
            edits.seldom().replacement = Some(denial);
            if !seen.handoff.is_empty() {
                self.count_failure(&seen.handoff, status, clock.now(), &mut entropy, &mut edits);
            }
            return edits;
        }
        let rules = self.engine.rules(self.context.route);
        let headers = rules.headers.of(seen.kind);
        edits.removes_protected = seen.has_protected;
        edits.removed.extend(seen.present.intersection(TELLTALES));
        // 1xx, 101 and 304 are about a representation that the client has already.
        let is_whole = !matches!(status, 100..=199 | 304);
        match &headers.whole {
            Some(whole) if is_whole && seen.present.intersection(whole.unless).is_empty() => {
                edits.prepare_all(match self.context.scheme {
                    Scheme::Http => &whole.over_http,
                    Scheme::Https => &whole.over_https,
                });
            }
            _ => {
                self.add_rows(headers, &seen, &mut edits);
                if is_whole {
                    self.add_csp(headers, &seen, &mut edits);
                    self.add_caching(headers, &seen, &mut edits);
                }
            }
        }
        self.add_sharing(&seen, &mut edits);
        if let Some(seldom) = &self.context.seldom {
            self.tell_counts(seldom, &mut edits);
            // What the handler says of the end of its resource stands.
            if !seen.present.contains(ResponseHeader::Sunset) {
                edits.computed.extend(api_key::sunset(seldom));
            }
        }
        if seen.has_cookies {
            edits.removed.insert(ResponseHeader::SetCookie);
            edits.set_cookies = seen.cookies;
            edits.dropped_cookies = seen.dropped_cookies;
        }
        if !seen.handoff.is_empty()
            && let Err(why) = self.hand_off(&seen.handoff, status, clock.now(), &mut entropy, &mut edits)
        {
            edits.seldom().reports.push(Reason::with_value(DenialCode::HandoffRefused, why.as_bytes()));
        }
        edits
    }

    fn look<'h>(&self, headers: impl Iterator<Item = HeaderPair<'h>>) -> Seen<'h> {
        let mut seen = Seen {
            present: HeaderSet::default(),
            has_protected: false,
            kind: Kind::Api,
            is_json: false,
            is_attachment: false,
            csp: HandlerCsp::default(),
            cache_control: None,
            is_public: false,
            varies_by: Vec::new(),
            retry_after: None,
            cookies: Vec::new(),
            has_cookies: false,
            dropped_cookies: 0,
            handoff: Vec::new(),
        };
        let rules = self.cookie_rules();
        let hardens = self.engine.0.modes.cookies != Mode::Off;
        for (name, value) in headers {
            let Some(known) = ResponseHeader::identify(name) else {
                if is_protected(name) {
                    seen.has_protected = true;
                    seen.handoff.extend(HandoffHeader::identify(name).map(|header| (header, value)));
                }
                seen.has_protected |= is_sharing(name);
                continue;
            };
            let is_repeated = seen.present.contains(known);
            seen.present.insert(known);
            match known {
                ResponseHeader::ContentType => {
                    // Of two types a browser takes the last, others the first: then it is neither.
                    let kind = Kind::of_content_type(value);
                    seen.kind = if is_repeated && kind != seen.kind { Kind::Api } else { kind };
                    seen.is_json = kind::is_json(value) && (!is_repeated || seen.is_json);
                }
                ResponseHeader::ContentDisposition => seen.is_attachment |= kind::is_attachment(value),
                ResponseHeader::ContentSecurityPolicy => seen.csp.observe(value),
                ResponseHeader::CacheControl => {
                    seen.is_public |= list(value).any(is_public);
                    let joined = seen.cache_control.get_or_insert_default();
                    let separator: &[u8] = if joined.is_empty() { b"" } else { b", " };
                    *joined = [&**joined, separator, value].concat().into();
                }
                ResponseHeader::Vary => seen.varies_by.push(value.into()),
                ResponseHeader::RetryAfter => seen.retry_after = Some(value.into()),
                ResponseHeader::SetCookie => seen.add_cookie(value, rules, hardens),
                _ => {}
            }
        }
        if seen.is_attachment {
            seen.kind = Kind::Download;
        }
        seen
    }

    /// What cookies must be.
    fn cookie_rules(&self) -> &CookieRules {
        match self.context.scheme {
            Scheme::Https => &self.engine.0.cookies_over_https,
            Scheme::Http => &self.engine.0.cookies_over_http,
        }
    }

    /// What may take the response's place: isolation, and the application's error texts.
    fn judge(
        &self,
        seen: &Seen<'_>,
        status: u16,
        edits: &mut ResponseEdits,
        entropy: &mut impl Entropy,
    ) -> Option<crate::Denial> {
        if self.context.isolation_suspect
            && let Finding::Refuse { code, .. } = isolation::decide(seen.kind)
        {
            if self.engine.0.modes.isolation == Mode::Enforce {
                return Some(self.engine.deny_with_status(
                    Reason::new(code),
                    code.status(),
                    &self.context,
                    entropy,
                ));
            }
            edits.seldom().reports.push(Reason::new(code));
        }
        // JSON is what an API says on purpose; anything else with a 5xx is a traceback or a server's own page.
        let is_error_text = status >= 500 && !seen.is_json;
        if !is_error_text || self.engine.rules(self.context.route).pass_errors {
            return None;
        }
        let reason = Reason::new(DenialCode::UpstreamError);
        let mut denial = self.engine.deny_with_status(reason, status, &self.context, entropy);
        if let Some(value) = seen.retry_after.clone() {
            denial.reply.compute(ResponseHeader::RetryAfter, value);
        }
        Some(denial)
    }

    fn add_rows(&self, headers: &KindHeaders, seen: &Seen<'_>, edits: &mut ResponseEdits) {
        for row in &headers.rows {
            if seen.present.contains(row.name) {
                if row.rule == Rule::Handlers {
                    continue;
                }
                edits.removed.insert(row.name);
            }
            if row.rule.applies(self.context.scheme) {
                edits.prepare(row.id);
            }
        }
    }

    /// The handler's policy stands; what it lacks is added as a second one. Framing follows the policy.
    fn add_csp(&self, headers: &KindHeaders, seen: &Seen<'_>, edits: &mut ResponseEdits) {
        let handler_framing = seen.csp.framing();
        if seen.csp.is_present() {
            if let Some(id) = headers.supplements.get(seen.csp.missing().index()).copied().flatten() {
                edits.prepare(id);
            }
        } else {
            self.add_policy(&headers.csp, ResponseHeader::ContentSecurityPolicy, seen, edits);
        }
        if !seen.present.contains(ResponseHeader::ContentSecurityPolicyReportOnly) {
            self.add_policy(
                &headers.report_only,
                ResponseHeader::ContentSecurityPolicyReportOnly,
                seen,
                edits,
            );
        }
        let [nobody, same_origin] = headers.handler_frame_options;
        let frame_options = match handler_framing {
            Some(Framing::Nobody) => nobody,
            Some(Framing::SameOrigin) => same_origin,
            Some(Framing::Others) => None,
            None => headers.frame_options,
        };
        if seen.present.contains(ResponseHeader::XFrameOptions) && nobody.is_some() {
            edits.removed.insert(ResponseHeader::XFrameOptions);
        }
        if let Some(id) = frame_options {
            edits.prepare(id);
        }
    }

    fn add_policy(&self, csp: &KindCsp, name: ResponseHeader, seen: &Seen<'_>, edits: &mut ResponseEdits) {
        match csp {
            KindCsp::None => {}
            KindCsp::Finished(id) => edits.prepare(*id),
            KindCsp::Nonce { template, without } => match self.nonce() {
                // A page that shared caches keep would serve one nonce to everyone.
                Some(nonce) if !seen.is_public || self.is_personal(seen) => {
                    edits.computed.push((name, template.fill(nonce)));
                }
                _ => edits.prepare(*without),
            },
        }
    }

    /// Whether the response belongs to one client.
    fn is_personal(&self, seen: &Seen<'_>) -> bool {
        self.verified.is_some() || self.context.is_personal || seen.has_cookies || !seen.handoff.is_empty()
    }

    fn add_caching(&self, headers: &KindHeaders, seen: &Seen<'_>, edits: &mut ResponseEdits) {
        match &seen.cache_control {
            None => headers.no_store.into_iter().for_each(|id| edits.prepare(id)),
            Some(value) if seen.is_public && self.is_personal(seen) => {
                edits.removed.insert(ResponseHeader::CacheControl);
                edits.computed.push((ResponseHeader::CacheControl, private(value)));
            }
            Some(_) => {}
        }
    }

    #[inline]
    fn add_sharing(&self, seen: &Seen<'_>, edits: &mut ResponseEdits) {
        let rules = self.engine.rules(self.context.route);
        // In mode `report` nothing changes for the client: what the handler shares stays shared.
        let handlers_stand = rules.cors_mode == Mode::Report
            && seen.present.contains(ResponseHeader::AccessControlAllowOrigin);
        if !handlers_stand {
            edits.removed.extend(seen.present.intersection(SHARING));
            self.engine.0.sharing.append(&self.context.sharing, |header| match header {
                Ok(id) => edits.prepare(id),
                Err(origin) => edits.computed.push((ResponseHeader::AccessControlAllowOrigin, origin.into())),
            });
            if matches!(self.context.sharing, Sharing::With { .. }) {
                rules.cors.expose_headers().into_iter().for_each(|id| edits.prepare(id));
            }
        }
        if let Some(id) =
            self.engine.vary(rules, &self.context, matches!(seen.kind, Kind::Api | Kind::Stream))
        {
            if seen.varies_by.is_empty() {
                edits.prepare(id);
                return;
            }
            let names = self.engine.0.prepared.get(id).map(|header| &*header.value).unwrap_or_default();
            let said = |name: &[u8]| {
                seen.varies_by.iter().any(|value| has_token(value, name) || has_token(value, b"*"))
            };
            // Appended, never replaced: what the handler varies by is its own knowledge.
            if !list(names.as_bytes()).all(said) {
                edits.prepare(id);
            }
        }
    }
}

impl Seen<'_> {
    fn add_cookie(&mut self, value: &[u8], rules: &CookieRules, hardens: bool) {
        self.has_cookies = true;
        let outcome = if hardens {
            harden(value, rules)
        } else if rules.own(value) {
            // Whose session it is, and whose tokens are good, is for nobody else to say: that has no mode.
            Hardened::Drop(DropReason::Owned)
        } else {
            Hardened::Keep
        };
        match outcome {
            Hardened::Keep => self.cookies.push(value.into()),
            Hardened::Replace(value) => self.cookies.push(value.into()),
            Hardened::Drop(_) => self.dropped_cookies = self.dropped_cookies.saturating_add(1),
        }
    }
}

/// Whether a `Cache-Control` directive lets shared caches keep the response (RFC 9111 §5.2.2).
fn is_public(directive: &[u8]) -> bool {
    let name = directive.split(|&byte| byte == b'=').next().unwrap_or_default().trim_ascii();
    name.eq_ignore_ascii_case(b"public") || name.eq_ignore_ascii_case(b"s-maxage")
}

/// A `Cache-Control` for this client alone.
fn private(value: &[u8]) -> Box<[u8]> {
    let mut text = b"private".to_vec();
    for directive in
        list(value).filter(|directive| !is_public(directive) && !directive.eq_ignore_ascii_case(b"private"))
    {
        text.extend_from_slice(b", ");
        text.extend_from_slice(directive);
    }
    text.into()
}
