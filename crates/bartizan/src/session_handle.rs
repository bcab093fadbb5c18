//! Sessions for handlers: who is signed in, and signing in and out.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bartizan_core::{
    Answer, BegunSession, Clock as _, Engine, Grant, Principal, Query,
    session::{Ending, SessionKey},
};
use bartizan_store::Answers;
use http::{HeaderMap, HeaderValue, header};

use crate::{
    OsClock, OsEntropy,
    login::put_off,
    session_error::{Notes, SessionError},
};

/// Signs people in and out, from a handler of axum.
///
/// What it does is done in the store when the call returns `Ok`; the cookie goes with the response, whatever that is.
///
/// Whoever checks a password says so before and after, and `?` refuses where [too many logins have
/// failed](crate::policy::LoginProtectionConfig):
///
#[cfg_attr(feature = "axum", doc = "```")]
#[cfg_attr(not(feature = "axum"), doc = "```ignore")]
/// use axum::{Form, http::StatusCode, response::{IntoResponse, Redirect, Response}};
/// use bartizan::{SessionError, Sessions};
///
/// # #[derive(serde::Deserialize)] struct Credentials { name: String, password: String }
/// # async fn is_right(_: &Credentials) -> bool { true }
/// async fn login(sessions: Sessions, Form(form): Form<Credentials>) -> Result<Response, SessionError> {
///     sessions.before_login(Some(&form.name)).await?;
///     if !is_right(&form).await {
///         sessions.login_failed(&form.name).await?;
///         return Ok((StatusCode::UNAUTHORIZED, "Wrong name or password").into_response());
///     }
///     sessions.login(&form.name, ["orders:read"]).await?;
///     Ok(Redirect::to("/").into_response())
/// }
///
/// async fn logout(sessions: Sessions) -> Result<Redirect, SessionError> {
///     sessions.logout().await?;
///     Ok(Redirect::to("/"))
/// }
/// ```
#[derive(Clone)]
pub struct Sessions(pub(crate) Arc<Handle>);

impl Sessions {
    /// Signs `subject` in: a session with a new id begins, and the one that the client had ends (session fixation).
    ///
    /// Where meanwhile too many logins to the account have failed that [`before_login`](Self::before_login) was told of, or
    /// else to `subject`, no session begins. Where many have failed from elsewhere, it takes a while.
    pub async fn login(
        &self,
        subject: &str,
        scopes: impl IntoIterator<Item = impl Into<Box<str>>>,
    ) -> Result<(), SessionError> {
        let scopes = scopes.into_iter().map(Into::into).collect();
        let delay = self.0.ask_once_more(subject).await?;
        self.begin(subject, scopes).await?;
        put_off(delay).await;
        Ok(())
    }

    /// Gives the session that there is a new id, as for a change of privileges; its times begin anew. Does nothing where
    /// nobody is signed in.
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] where the session has ended while this request was under way, as by a revocation, or where
    /// another request has given it a new id first: it begins no second one.
    pub async fn rotate(&self) -> Result<(), SessionError> {
        let handle = &self.0;
        let (Some(session), Some(old)) = (self.current().await?, handle.presented()) else { return Ok(()) };
        let Session(Principal { subject, scopes, .. }) = session;
        let renewed = handle.engine.renew_session(old, &subject, scopes, OsClock, OsEntropy);
        self.put_down(renewed).await
    }

    /// Ends the client's session and takes its cookie.
    pub async fn logout(&self) -> Result<(), SessionError> {
        if let Some(key) = self.0.presented() {
            self.0.end(Ending::One(key)).await?;
        }
        self.0.sign_out();
        Ok(())
    }

    /// Ends all sessions of whoever is signed in, this one among them.
    pub async fn logout_everywhere(&self) -> Result<(), SessionError> {
        if let Some(session) = self.current().await? {
            self.0.end(Ending::AllOf { subject: session.0.subject, except: None }).await?;
        }
        self.0.sign_out();
        Ok(())
    }

    /// Ends all other sessions of whoever is signed in.
    pub async fn logout_others(&self) -> Result<(), SessionError> {
        if let Some(session) = self.current().await? {
            let except = self.0.presented();
            self.0.end(Ending::AllOf { subject: session.0.subject, except }).await?;
        }
        Ok(())
    }

    /// Who is signed in, also on a route that requires nothing; there the store is asked now.
    pub async fn current(&self) -> Result<Option<Session>, SessionError> {
        self.0.current().await
    }

    async fn begin(&self, subject: &str, scopes: Vec<Box<str>>) -> Result<(), SessionError> {
        let handle = &self.0;
        self.put_down(handle.engine.begin_session(subject, scopes, handle.presented(), OsClock, OsEntropy))
            .await
    }

    /// Has it kept, and its cookie sent.
    async fn put_down(&self, begun: Option<BegunSession>) -> Result<(), SessionError> {
        let handle = &self.0;
        let Some(BegunSession { query, cookie }) = begun else { return Err(handle.unavailable()) };
        let key = match &query {
            Query::Begin(new) => new.key,
            Query::Renew(renewal) => renewal.key,
            _ => return Err(handle.unavailable()),
        };
        match handle.store.answer(query).await {
            Answer::Done => {
                let cookie = Some(cookie);
                handle.outbox().set(Outbox { presented: Some(key), cookie, ..Outbox::default() });
                Ok(())
            }
            Answer::Unknown => {
                // The cookie stays with the client: it may be the new one, of another request that came first.
                handle.outbox().set(Outbox::default());
                Err(handle.ended())
            }
            _ => Err(handle.unavailable()),
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// Whoever is signed in. A handler that takes it as an argument cannot be reached by anybody else: others get 401.
///
/// Only the layer makes one, from a session that the store knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session(Principal);

impl Session {
    /// Whose session it is.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// What they may do.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.scopes.iter().map(|scope| &**scope)
    }

    /// Whether `scope` is among them.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|own| own == scope)
    }
}

/// Whoever is signed in, or nobody: for pages that greet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionalSession(pub Option<Session>);

/// What a request's handler and its response share about sessions.
pub(crate) struct Handle {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<dyn Answers>,
    pub(crate) client_ip: Option<IpAddr>,
    /// Who was verified on the way in, and by which session.
    verified: Option<(SessionKey, Arc<Principal>)>,
    outbox: Mutex<Outbox>,
}

/// What a handler did.
#[derive(Default)]
pub(crate) struct Outbox {
    /// The session that the client has, as far as it is known: at first what its cookie names.
    presented: Option<SessionKey>,
    /// The `Set-Cookie` of the session that began.
    cookie: Option<Box<str>>,
    /// The session is over.
    signed_out: bool,
    /// Which account a login is about that has begun.
    pub(crate) account: Option<Box<str>>,
    /// What the log, and the client, are to be told besides.
    pub(crate) notes: Option<Box<Notes>>,
}

impl Outbox {
    fn set(&mut self, other: Self) {
        *self = Self { notes: self.notes.take(), ..other };
    }
}

impl Handle {
    /// For a request that was let through, before its cookies are taken out; `None` where the policy has no sessions.
    #[inline]
    pub(crate) fn new(grant: &Grant, store: &Arc<dyn Answers>, headers: &HeaderMap) -> Option<Arc<Self>> {
        grant.engine().has_sessions().then(|| Self::of(grant, store, headers))
    }

    fn of(grant: &Grant, store: &Arc<dyn Answers>, headers: &HeaderMap) -> Arc<Self> {
        let engine = grant.engine();
        let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
        let presented = grant.session().or_else(|| grant.session_of(lines));
        Arc::new(Self {
            engine: engine.clone(),
            store: Arc::clone(store),
            client_ip: grant.client_ip(),
            verified: grant.session().zip(grant.shared_principal()),
            outbox: Mutex::new(Outbox { presented, ..Outbox::default() }),
        })
    }

    pub(crate) fn outbox(&self) -> std::sync::MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn presented(&self) -> Option<SessionKey> {
        self.outbox().presented
    }

    async fn end(&self, ending: Ending) -> Result<(), SessionError> {
        match self.store.answer(Query::End(ending)).await {
            Answer::Done => Ok(()),
            _ => Err(self.unavailable()),
        }
    }

    fn sign_out(&self) {
        self.outbox().set(Outbox { signed_out: true, ..Outbox::default() });
    }

    async fn current(&self) -> Result<Option<Session>, SessionError> {
        let Some(key) = self.presented() else { return Ok(None) };
        // Unless the handler has signed somebody else in, or out.
        if let Some((_, principal)) = self.verified.as_ref().filter(|(verified, _)| *verified == key) {
            return Ok(Some(Session(Principal::clone(principal))));
        }
        let now = OsClock.now();
        match self.store.answer(Query::Session { key, now }).await {
            Answer::Session(record) if record.is_alive(now) => Ok(Some(Session(Principal {
                subject: record.subject,
                issuer: None,
                kind: bartizan_core::policy::CredentialKind::Session,
                scopes: record.scopes,
            }))),
            Answer::Session(_) | Answer::Unknown => Ok(None),
            _ => Err(self.unavailable()),
        }
    }

    /// Whether the handler began or ended a session, or could not.
    pub(crate) fn has_mail(&self) -> bool {
        let outbox = self.outbox();
        outbox.cookie.is_some() || outbox.signed_out || outbox.notes.is_some()
    }

    /// Gives the response what the handler did. Whether a session began or ended with it: then what the client's CSRF
    /// tokens were bound to goes.
    pub(crate) fn deliver(&self, grant: &Grant, headers: &mut HeaderMap) -> bool {
        let outbox = std::mem::take(&mut *self.outbox());
        let changed = outbox.cookie.is_some() || outbox.signed_out;
        let of_tokens = changed.then(|| grant.expired_token_cookies()).into_iter().flatten();
        let expired = outbox.signed_out.then(|| self.engine.expired_session_cookie()).flatten();
        let own = [outbox.cookie, expired].into_iter().flatten().map(str::into_boxed_bytes);
        for cookie in own.chain(of_tokens) {
            if let Ok(mut value) = HeaderValue::from_bytes(&cookie) {
                value.set_sensitive(true);
                headers.append(header::SET_COOKIE, value);
            }
        }
        if outbox.signed_out {
            // Not `cookies` or `cache`: they reach beyond this host.
            headers.insert("clear-site-data", HeaderValue::from_static("\"storage\""));
        }
        changed
    }
}

#[cfg(feature = "axum")]
mod axum_extractors {
    use axum::{
        extract::FromRequestParts,
        response::{IntoResponse, Response},
    };
    use bartizan_core::{DenialCode, Principal, Reason};
    use http::{StatusCode, request::Parts};

    use super::{OptionalSession, Session, Sessions};
    use crate::{OsEntropy, headers};

    /// No layer of a policy with `[session]` saw the request.
    const MISPLACED: &str =
        "a handler asks for sessions, and no BartizanLayer whose policy has [session] is around it";

    fn sessions(parts: &Parts) -> Option<Sessions> {
        parts.extensions.get().cloned()
    }

    fn misplaced() -> Response {
        // The advice is the developer's, in the log; the client is told nothing of it.
        tracing::error!("{MISPLACED}");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }

    impl Sessions {
        /// A refusal in the form of all others.
        fn refusal(&self, code: DenialCode) -> Response {
            let engine = &self.0.engine;
            let reply = engine.refuse(Reason::new(code), OsEntropy).into_reply();
            // Without the policy's headers: the layer adds them to every response.
            headers::bare_response(&reply)
        }
    }

    impl<S: Sync> FromRequestParts<S> for Sessions {
        type Rejection = Response;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
            sessions(parts).ok_or_else(misplaced)
        }
    }

    impl<S: Sync> FromRequestParts<S> for Session {
        type Rejection = Response;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
            let sessions = sessions(parts).ok_or_else(misplaced)?;
            match sessions.current().await {
                Ok(Some(session)) => Ok(session),
                Ok(None) => Err(sessions.refusal(DenialCode::AuthRequired)),
                Err(error) => Err(error.into_response()),
            }
        }
    }

    impl<S: Sync> FromRequestParts<S> for OptionalSession {
        type Rejection = Response;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
            let sessions = sessions(parts).ok_or_else(misplaced)?;
            sessions.current().await.map(Self).map_err(IntoResponse::into_response)
        }
    }

    /// Who asks, whether by a session, a token or an API key, for a handler that cannot be reached without one. Others get
    /// 401. The same subject of two [issuers](Principal::issuer) is two people.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Authenticated(pub Principal);

    impl<S: Sync> FromRequestParts<S> for Authenticated {
        type Rejection = StatusCode;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
            parts.extensions.get::<Principal>().cloned().map(Self).ok_or(StatusCode::UNAUTHORIZED)
        }
    }
}

#[cfg(feature = "axum")]
pub use axum_extractors::Authenticated;
