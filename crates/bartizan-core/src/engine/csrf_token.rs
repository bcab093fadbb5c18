//! The CSRF token in an evaluation: looked for, judged, used up; and where one is to be had.

use alloc::{boxed::Box, format, string::String};
use core::mem;

use super::{
    Engine,
    build::plain_path,
    evaluation::{Evaluation, Stop},
};
use crate::{
    Answer, DenialCode, Entropy, Form, Grant, HeaderPair, PolicyErrorKind, Query, Reason, ResponseHeader,
    Step, Timestamp, Trace, Verdict,
    controls::{
        Finding,
        csrf::{self, Presented},
    },
    csrf_token::{Binding, IssuedToken, PreSession, Proven, mint},
    error::Problems,
    form::{Encoding, Field},
    policy::{Mode, Policy},
};

/// How much of a form is looked through, in bytes.
const FORM_LIMIT: usize = 64 << 10;

/// What the policy says of tokens.
#[derive(Debug)]
pub(super) struct TokenRules {
    /// The form field that a token may come in.
    pub(super) field: Box<str>,
    /// The path that answers with one.
    pub(super) path: Option<Box<[u8]>>,
}

impl TokenRules {
    pub(super) fn compile(policy: &Policy, health: Option<&[u8]>, problems: &mut Problems) -> Self {
        let config = &policy.csrf;
        let field = config.field.as_deref().unwrap_or("csrf_token");
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !(1..=64).contains(&field.len()) || !field.bytes().all(is_plain) {
            problems.error("csrf.field", Some(field), PolicyErrorKind::InvalidFieldName);
        }
        let path = config.token_path.as_deref().and_then(|path| {
            plain_path("csrf.token_path", path, PolicyErrorKind::InvalidTokenPath, problems)
        });
        if path.is_some() && path.as_deref() == health {
            let kind = PolicyErrorKind::Contradiction("csrf.token_path", "server.health");
            problems.error("csrf.token_path", config.token_path.as_deref(), kind);
        }
        Self { field: field.into(), path }
    }
}

/// A token that a request needs.
#[derive(Debug, Default)]
pub(super) struct Needed {
    form: Asked,
    /// What a store is to be asked last: a token that is good once.
    once: Option<Proven>,
}

/// Whether the surface was asked for a form.
#[derive(Debug, Default)]
enum Asked {
    #[default]
    Not,
    Yes,
    Given(Form),
}

/// Whose tokens a handler can have made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Client {
    /// Nobody is known, and a pre-session may begin.
    #[default]
    New,
    /// The one of this session or pre-session.
    Known(Binding),
    /// A page of another site asks: nobody's.
    Foreign,
}

impl<'r, H, E, T> Evaluation<'_, 'r, H, E, T>
where
    H: Iterator<Item = HeaderPair<'r>> + Clone,
    E: Entropy,
    T: Trace,
{
    /// Judges the token, or asks for the form that it may be in.
    pub(super) fn judge_token(&mut self) -> Result<Option<Step>, Stop> {
        let engine = self.engine;
        let mode = engine.0.modes.csrf;
        let Some(needed) = &mut self.token else {
            self.judge("csrf", mode, |_| Finding::Skip("no token is required"))?;
            return Ok(None);
        };
        let Some(keys) = &engine.0.keys else {
            self.settle("csrf", mode, csrf::NO_KEYS)?;
            return Ok(None);
        };
        let header = self.facts.csrf_token;
        let encoding = self.facts.content_type.only().and_then(Encoding::of);
        let form = match (header.value(), encoding, mem::replace(&mut needed.form, Asked::Yes)) {
            (None, Some(_), Asked::Not) => return Ok(Some(Step::NeedForm { limit: FORM_LIMIT })),
            (None, Some(encoding), Asked::Given(form)) => Some((encoding, form)),
            _ => None,
        };
        let field = form.as_ref().map(|(encoding, form)| encoding.field(form, &engine.0.tokens.field));
        let presented = match (header.value(), &field) {
            (Some(_), _) => header.only().map_or(Presented::Twice, Presented::Once),
            (None, Some(Field::Once(token))) => Presented::Once(token),
            (None, Some(Field::Repeated)) => Presented::Twice,
            (None, Some(Field::Malformed)) => Presented::InNoForm,
            (None, Some(Field::Absent) | None) => Presented::Nowhere,
        };
        let binding = self.binding();
        match csrf::decide_token(presented, keys, binding.as_ref(), self.now) {
            Err(refusal) => self.settle("csrf", mode, refusal)?,
            Ok(proven) => {
                self.settle("csrf", mode, Finding::Pass("the token is this client's"))?;
                // What is only watched must not use anything up.
                if mode == Mode::Enforce && engine.rules(self.context.route).csrf.one_time {
                    self.token = Some(Box::new(Needed { once: Some(proven), ..Needed::default() }));
                }
            }
        }
        Ok(None)
    }

    /// What a surface was asked for; `false` if it was not.
    pub(super) fn take_form(&mut self, form: Form) -> bool {
        match self.token.as_deref_mut() {
            Some(Needed { form: asked @ Asked::Yes, .. }) => {
                *asked = Asked::Given(form);
                true
            }
            _ => false,
        }
    }

    /// The question whether a token that is good once was used before.
    pub(super) fn use_token(&mut self) -> Option<Query> {
        let Proven { digest, until } = self.token.as_mut()?.once.take()?;
        Some(Query::Consume { token: digest, until, now: self.now })
    }

    /// What the answer to that means.
    pub(super) fn judge_use(&mut self, answer: Option<&Answer>) -> Result<(), Stop> {
        let finding = match answer {
            Some(Answer::Fresh(true)) => Finding::Pass("the token was not used before, and is now"),
            Some(Answer::Fresh(false)) => {
                Finding::refuse(DenialCode::CsrfTokenUsed, b"", "the token is good once, and was used before")
            }
            _ => Finding::refuse(
                DenialCode::StoreUnavailable,
                b"",
                "the store that knows which tokens were used cannot be asked",
            ),
        };
        self.settle("csrf", Mode::Enforce, finding)
    }

    /// Whether this asks for a token at the path that the policy names for it.
    pub(super) fn asks_for_token(&self) -> bool {
        self.engine.0.tokens.path.as_deref() == Some(self.facts.path)
            && matches!(self.facts.method, b"GET" | b"HEAD")
    }

    /// A token for whoever asks: in the body, and in a cookie that scripts of the page read.
    #[cold]
    pub(super) fn answer_with_token(&mut self) -> Stop {
        let inner = &self.engine.0;
        // The answer is of kind api. Nobody can read it who may not, but it need not even be sent.
        if self.context.isolation_suspect && inner.modes.isolation == Mode::Enforce {
            return self.refuse_token(
                "isolation",
                DenialCode::IsolationCrossSite,
                "a page of another site asks for a token",
            );
        }
        let client = self.client();
        if !matches!(client, Client::Known(_)) {
            self.context.read_fetch_site = true;
        }
        let Some(IssuedToken { token, set_cookie }) = self.engine.issue(client, self.now, &mut self.entropy)
        else {
            let why = "there are no keys to make a token with, or a page of another site asks for one";
            return self.refuse_token("csrf", DenialCode::CsrfTokenUnavailable, why);
        };
        self.trace.note("csrf", Verdict::Answer, || "200 with a token".into());
        let mut reply = self.engine.reply(200, &self.context);
        reply.prepare(inner.replies.data);
        if let Some(cookie) = set_cookie {
            reply.compute(ResponseHeader::SetCookie, cookie);
        }
        reply.compute(ResponseHeader::SetCookie, inner.own_cookies.set_csrf_token(&token));
        // Digits, letters, `-`, `_` and dots: nothing that JSON would escape.
        reply.body = format!("{{\"csrf_token\":\"{token}\"}}\n").into_bytes().into();
        Stop::Answered(reply)
    }

    fn refuse_token(&mut self, control: &'static str, code: DenialCode, why: &'static str) -> Stop {
        let reason = Reason::new(code);
        self.trace.note(control, Verdict::Refuse, || format!("{code}: {why}").into());
        Stop::Refused(reason)
    }

    /// Keeps for a handler whose tokens it can have made.
    pub(super) fn note_client(&mut self) {
        // Only work is saved here: without keys there are no tokens, and the session of a request is known to its grant.
        let is_known = self.verified.as_ref().is_some_and(|verified| verified.session.is_some());
        if self.engine.0.keys.is_none() || is_known {
            return;
        }
        match self.client() {
            Client::New => {}
            client => self.context.seldom().client = client,
        }
    }

    /// Whose tokens this request may be given.
    fn client(&mut self) -> Client {
        if let Some(binding) = self.binding() {
            return Client::Known(binding);
        }
        let facts = &self.facts;
        let is_trusted = || {
            let origins = &self.engine.0.origins;
            facts.origin.only().is_some_and(|origin| origins.contains(origin, self.way.scheme))
        };
        // The client's own pre-session is `SameSite=Lax`: with what a page of another site loads it does not come, and
        // another one would take its place. It comes with a navigation.
        let is_foreign = match facts.site() {
            Some(b"same-origin" | b"none") => false,
            Some(_) if facts.opens_page() => false,
            Some(_) => !is_trusted(),
            None => facts.origin.value().is_some() && !is_trusted(),
        };
        if is_foreign { Client::Foreign } else { Client::New }
    }

    /// What this client's tokens are bound to: its session, or the pre-session that it has before login.
    ///
    /// That the cookie came is enough, whether or not the route asked whose session it is: so a token serves on routes
    /// that require a session and on those that do not.
    fn binding(&self) -> Option<Binding> {
        if let Some(session) = self.verified.as_ref().and_then(|verified| verified.session) {
            return Some(Binding::Session(session));
        }
        // Who comes in without identity has no session.
        let session = self.facts.session.filter(|_| !self.context.is_anonymous);
        session
            .map(|cookie| Binding::Session(crate::session::SessionKey::of(cookie)))
            .or_else(|| Binding::pre_session(self.facts.pre_session?))
    }
}

/// Makes the tokens of the client of one request: what is left of its [`Grant`] for that, for a handler to keep.
#[derive(Clone, Debug)]
pub struct TokenIssuer {
    engine: Engine,
    client: Client,
}

impl TokenIssuer {
    /// A token as [`Grant::csrf_token`] makes it. `None` where a page of another site loads this.
    pub fn issue(&self, now: Timestamp, mut entropy: impl Entropy) -> Option<IssuedToken> {
        self.engine.issue(self.client, now, &mut entropy)
    }

    /// The engine that let the request in.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl Engine {
    fn issue(&self, client: Client, now: Timestamp, entropy: &mut impl Entropy) -> Option<IssuedToken> {
        let keys = self.0.keys.as_ref()?;
        let (binding, set_cookie) = match client {
            Client::Known(binding) => (binding, None),
            Client::Foreign => return None,
            Client::New => {
                let fresh = PreSession::new(entropy);
                (fresh.binding(), Some(self.0.own_cookies.set_pre_session(fresh.expose())))
            }
        };
        let token: String = mint(keys, &binding, now, entropy)?;
        Some(IssuedToken { token, set_cookie })
    }
}

impl Grant {
    /// A fresh CSRF token for the client of this request, to be put into a form or a page.
    ///
    /// Where the client has neither a session nor a pre-session, one begins, and the token is worth nothing without the
    /// cookie that comes with it. That cookie is ours: it goes to the client beside what [`respond`](Self::respond)
    /// lets through, for that drops what a handler sets by our names. Call this once for a response, and use the token
    /// as often as the page needs it.
    ///
    /// `None` where the deployment has no keys, and where a page of another site loads this.
    pub fn csrf_token(&self, now: Timestamp, entropy: impl Entropy) -> Option<IssuedToken> {
        self.token_issuer()?.issue(now, entropy)
    }

    /// The same for later, where a handler may or may not need one. `None` where the deployment has no keys.
    #[inline]
    pub fn token_issuer(&self) -> Option<TokenIssuer> {
        self.engine
            .0
            .keys
            .is_some()
            .then(|| TokenIssuer { engine: self.engine.clone(), client: self.client() })
    }

    fn client(&self) -> Client {
        match self.session() {
            Some(session) => Client::Known(Binding::Session(session)),
            None => self.context.seldom.as_ref().map_or(Client::New, |seldom| seldom.client),
        }
    }

    /// The `Set-Cookie`s that take from the client what its CSRF tokens were bound to, and the token that its scripts
    /// read: for a response with which a session begins or ends, beside the session's own cookie. Tokens of before are
    /// refused after it anyway, while the session's cookie is another; without its pre-session the client cannot go back
    /// to those that it had before it signed in.
    ///
    /// None where the client has nothing of the kind, to spare the bytes.
    pub fn expired_token_cookies(&self) -> impl Iterator<Item = Box<[u8]>> {
        let inner = &self.engine.0;
        // What a client has need not come: a redirect of an identity provider comes without the token's cookie, which is
        // `SameSite=Strict`, and a form of one without the pre-session's, which is `Lax`. But without a token path only
        // a handler can have begun a pre-session, and few do.
        let may_have =
            inner.keys.is_some() && (inner.tokens.path.is_some() || self.context.edits.token_cookies);
        may_have.then(|| inner.own_cookies.expire_tokens()).into_iter().flatten()
    }
}
