//! The controls that look at a request's head alone, in their order: everything before authentication.

use alloc::boxed::Box;

use super::evaluation::{Evaluation, Stop, routed_method};
use crate::{
    DenialCode, Entropy, HeaderPair, JWKS_PATH, Reason, ResponseHeader, Trace, Verdict,
    controls::{
        Finding, cors, csrf, firewall, firewall::Firewall, framing, host, https, isolation, websocket,
    },
    facts::Facts,
    path,
    policy::Mode,
    route::Pattern,
};

/// Whether this is a GET of exactly `path`.
fn is_get_of(facts: &Facts<'_>, path: &[u8]) -> bool {
    facts.path == path && matches!(facts.method, b"GET" | b"HEAD")
}

impl<'r, H, E, T> Evaluation<'_, 'r, H, E, T>
where
    H: Iterator<Item = HeaderPair<'r>> + Clone,
    E: Entropy,
    T: Trace,
{
    /// Everything up to authentication; whether a CSRF token will be required.
    pub(super) fn judge_head(&mut self) -> Result<bool, Stop> {
        let engine = self.engine;
        let inner = &engine.0;
        let modes = inner.modes;
        let (facts, scheme) = (&self.facts, self.way.scheme);

        let finding = framing::decide(facts);
        self.settle("framing", Mode::Enforce, finding)?;
        self.judge_path()?;

        let facts = &self.facts;
        if inner.health.as_deref().is_some_and(|health| is_get_of(facts, health)) {
            return Err(self.answer_health());
        }
        let authority = if let Some(authority) = inner.hosts.as_written(facts, self.way.host) {
            self.judge("host", modes.host, |_| Finding::Pass("the host is served here"))?;
            authority
        } else {
            match host::authority(facts, self.way.host, scheme) {
                Ok(authority) => {
                    self.judge("host", modes.host, |_| inner.hosts.decide(authority, scheme))?;
                    authority
                }
                Err(finding) => {
                    self.settle("host", Mode::Enforce, finding)?;
                    // `settle` refuses what is enforced.
                    return Err(Stop::Refused(Reason::new(DenialCode::AuthorityInvalid)));
                }
            }
        };
        if modes.https == Mode::Off {
            self.trace.note("https", Verdict::Skip, || "off".into());
        } else {
            match https::decide(&inner.hosts, &self.facts, authority, scheme) {
                https::Outcome::Finding(finding) => self.settle("https", modes.https, finding)?,
                https::Outcome::Redirect(location) if modes.https == Mode::Enforce => {
                    return Err(self.redirect(location));
                }
                https::Outcome::Redirect(_) => {
                    let finding = Finding::refuse(
                        DenialCode::HttpsRequired,
                        authority.host,
                        "plain http; it would be redirected",
                    );
                    self.settle("https", modes.https, finding)?;
                }
            }
        }
        self.judge_cors()?;
        if inner.published.any() && is_get_of(&self.facts, JWKS_PATH.as_bytes()) {
            return Err(self.answer_published());
        }
        self.judge_csrf()
    }

    /// The request firewall, and which route the path selects.
    fn judge_path(&mut self) -> Result<(), Stop> {
        let engine = self.engine;
        let mode = engine.0.modes.firewall;
        self.judge("firewall", mode, |facts| engine.0.firewall.decide(facts))?;
        let found = firewall::look(&self.facts);
        let rules = engine.rules(self.context.route);
        self.judge("firewall", mode, |facts| Firewall::decide_path(facts, found, rules.relaxed))?;
        let route = usize::from(self.context.route);
        self.trace.note("route", Verdict::Pass, || {
            match route.checked_sub(1).and_then(|at| engine.routes().nth(at)) {
                Some(pattern) => alloc::string::String::from(pattern).into(),
                None => "none matches: [default] holds".into(),
            }
        });
        if found.is_empty() {
            return Ok(());
        }
        // The path passed although it has several readings: all of them must mean the same to us. Who may begin a session
        // is as grave as what is required.
        let (facts, route, handoff) = (&self.facts, self.context.route, self.handoff);
        let sessions = engine.0.sessions.as_ref();
        let agree = path::every_reading(facts.path, |reading| {
            let matches = |pattern: &Pattern| pattern.matches_decoded(reading);
            engine.route(routed_method(facts), matches) == route
                && sessions.and_then(|sessions| sessions.handoff(facts.method, matches)) == handoff
        });
        let finding = if agree {
            Finding::Pass("every reading of the path selects the same route")
        } else {
            Finding::refuse(
                DenialCode::RouteAmbiguous,
                facts.path,
                "the readings of the path select different routes, or hand-off on one and none on another",
            )
        };
        // Which requirement holds must never depend on the reading; without any, this is the firewall's matter.
        let mode = if engine.0.configured.any() { Mode::Enforce } else { mode };
        self.settle("firewall", mode, finding)
    }

    /// CORS: the answer to a preflight, or the judgement of an actual request.
    fn judge_cors(&mut self) -> Result<(), Stop> {
        let rules = self.engine.rules(self.context.route);
        let mode = rules.cors_mode;
        let sharing = self.context.sharing.clone();
        if !cors::is_preflight(&self.facts) {
            return self.judge("cors", mode, |facts| rules.cors.decide_actual(facts, &sharing));
        }
        if mode == Mode::Off {
            self.trace.note("cors", Verdict::Skip, || "off: the preflight is an ordinary OPTIONS".into());
            return Ok(());
        }
        let finding = rules.cors.decide_preflight(&self.facts, &sharing);
        let allowed = matches!(finding, Finding::Pass(_));
        self.settle("cors", mode, finding)?;
        if !allowed {
            return Ok(());
        }
        self.trace.note("cors", Verdict::Answer, || "204 to the preflight".into());
        Err(Stop::Answered(self.preflight_reply()))
    }

    /// Where the request comes from: CSRF, WebSocket, isolation. Whether a token will be required.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "it has one caller, on the way of every request")]
    fn judge_csrf(&mut self) -> Result<bool, Stop> {
        let engine = self.engine;
        let inner = &engine.0;
        let scheme = self.way.scheme;
        let rules = engine.rules(self.context.route);
        let mut needs_token = false;
        if inner.modes.csrf == Mode::Off {
            self.trace.note("csrf", Verdict::Skip, || "off".into());
        } else if self.facts.is_safe() {
            // Tier 1, which most requests are; nothing of them is read.
            self.trace.note("csrf", Verdict::Skip, || csrf::SAFE.into());
        } else {
            let found = rules.csrf.decide(&self.facts, &inner.origins, scheme);
            self.context.read_fetch_site = found.read_fetch_site;
            self.context.is_anonymous = found.anonymous;
            needs_token = found.needs_token;
            self.settle("csrf", inner.modes.csrf, found.finding)?;
        }
        if self.facts.wants_websocket() {
            self.settle("websocket", Mode::Enforce, websocket::decide_handshake(&self.facts))?;
            self.judge("websocket", inner.modes.websocket, |facts| {
                websocket::decide_origin(facts, &inner.origins, scheme)
            })?;
            self.context.is_websocket = true;
        }
        if inner.modes.isolation == Mode::Off {
            self.trace.note("isolation", Verdict::Skip, || "off".into());
        } else {
            let shared = matches!(self.context.sharing, cors::Sharing::With { .. });
            self.context.isolation_suspect = isolation::is_suspect(&self.facts, shared);
            self.context.isolation_read =
                inner.modes.isolation == Mode::Enforce && matches!(self.facts.method, b"GET" | b"HEAD");
            let suspect = self.context.isolation_suspect;
            self.trace.note("isolation", if suspect { Verdict::Pass } else { Verdict::Skip }, || {
                if suspect {
                    "a foreign page loads this: a response of kind api will not go to it"
                } else {
                    "no foreign page loads this"
                }
                .into()
            });
        }
        Ok(needs_token)
    }

    fn answer_health(&mut self) -> Stop {
        self.trace.note("health", Verdict::Answer, || "200 by itself, before host and upstream".into());
        let mut reply = self.engine.reply(200, &self.context);
        reply.prepare(self.engine.0.replies.text);
        reply.body = b"ok\n".as_slice().into();
        Stop::Answered(reply)
    }

    fn redirect(&mut self, location: Box<[u8]>) -> Stop {
        self.trace.note("https", Verdict::Answer, || "308 to https".into());
        let mut reply = self.engine.reply(308, &self.context);
        reply.compute(ResponseHeader::Location, location);
        Stop::Answered(reply)
    }

    /// 204 with what the preflight asked about.
    fn preflight_reply(&self) -> crate::Reply {
        let mut reply = self.engine.reply(204, &self.context);
        let cors = &self.engine.rules(self.context.route).cors;
        cors.append_preflight(|id| reply.prepare(id));
        let vary = &self.engine.0.vary;
        reply.leave_out(&[vary.origin, vary.fetch_site, vary.both]);
        reply.prepare(vary.preflight);
        reply
    }
}
