//! Logins of handlers: how often one may fail.

use std::time::Duration;

use bartizan_core::{
    Clock as _,
    login::{LoginTurn, LoginVerdict},
};

use crate::{OsClock, SessionError, Sessions, session_handle::Handle};

/// How often a login may fail is `[session.login_protection]` of the policy. All of these do nothing where that is off.
impl Sessions {
    /// Whether a login may be looked at; call it before a password is checked, with the account where it is known by then.
    ///
    /// An account is what failures are counted by: best what [`login`](Self::login) will call the subject, and for a name
    /// that nobody has whatever the client said. Capitals and spaces around it make no difference.
    ///
    /// Nothing is counted by it. [`SessionError::Limited`] where too many logins have failed from this client's address, or
    /// from there to this account.
    pub async fn before_login(&self, account: Option<&str>) -> Result<(), SessionError> {
        let handle = &self.0;
        handle.outbox().account = account.map(Into::into);
        let Some(guard) = handle.engine.login_guard() else { return Ok(()) };
        // How long an answer is put off does not depend on when; it is once, with what the answer is.
        handle.ask(guard.before(account, handle.client_ip, OsClock.now())).await.map(drop)
    }

    /// Counts a login that has failed; call it where the password was wrong, and where there is no such account.
    ///
    /// It returns when the answer is to be given: at once, or where logins to this account have failed from many addresses
    /// after some seconds (`longest_delay`), by tokio's timer. [`SessionError::Limited`] where too many have failed, to be
    /// answered in the place of "wrong password": of attempts that come at once, all may have been looked at.
    pub async fn login_failed(&self, account: &str) -> Result<(), SessionError> {
        let handle = &self.0;
        let Some(guard) = handle.engine.login_guard() else { return Ok(()) };
        let delay = handle.ask(guard.failed(account, handle.client_ip, OsClock.now())).await?;
        put_off(delay).await;
        Ok(())
    }
}

impl Handle {
    /// Whether a login whose password was right may count, and how long to put that off.
    pub(crate) async fn ask_once_more(&self, subject: &str) -> Result<Duration, SessionError> {
        let Some(guard) = self.engine.login_guard() else { return Ok(Duration::ZERO) };
        // Failures were counted by what the client called the account, which need not be what the application does.
        let account = self.outbox().account.clone();
        let account = account.as_deref().unwrap_or(subject);
        self.ask(guard.before(Some(account), self.client_ip, OsClock.now())).await
    }

    async fn ask(&self, mut turn: LoginTurn) -> Result<Duration, SessionError> {
        while let Some(query) = turn.ask() {
            turn.supply(&self.store.answer(query).await);
        }
        match turn.verdict() {
            LoginVerdict::Allowed { delay } => Ok(delay),
            LoginVerdict::Reported { .. } => {
                self.report(turn.reason());
                Ok(Duration::ZERO)
            }
            LoginVerdict::Refused { retry_after } => {
                Err(self.refuse(turn.reason(), SessionError::Limited { retry_after }))
            }
            LoginVerdict::Unavailable => Err(self.refuse(turn.reason(), SessionError::Unavailable)),
        }
    }
}

/// Waits so long; mostly not at all, and then without a timer.
pub(crate) async fn put_off(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}
