//! `bartizan session revoke`: ends one session, or those of one subject.

use std::io::{self, IsTerminal as _};

use bartizan::OsClock;
use bartizan_core::{
    Clock as _,
    session::{Ending, SessionKey},
};

use super::{KeyDigits, SessionError, Sessions};
use crate::{
    Outcome,
    arguments::SessionRevokeArguments,
    failure::Failure,
    terminal::{self, count, printable},
    when::ago,
};

/// Ends them, if whoever is asked agrees.
pub(super) fn run(arguments: &SessionRevokeArguments) -> Result<Outcome, Failure> {
    if !arguments.yes && !io::stdin().is_terminal() {
        return Err(SessionError::NotAsked.into());
    }
    let Some(sessions) = Sessions::open(&arguments.policy)? else { return Ok(Outcome::Faults) };
    let outcome = match (&arguments.key, &arguments.subject) {
        (Some(key), _) => one(&sessions, key, arguments.yes),
        (None, subject) => {
            let subject = subject.as_deref().unwrap_or_default();
            all_of(&sessions, subject, arguments.except.as_ref(), arguments.yes)
        }
    };
    sessions.close();
    outcome
}

fn one(sessions: &Sessions, digits: &KeyDigits, agreed: bool) -> Result<Outcome, Failure> {
    let session = digits.find(sessions)?;
    let (record, now) = (&session.record, OsClock.now());
    let question = format!(
        "End the session {} of {}, begun {} and last seen {}?",
        session.key,
        printable(&record.subject),
        ago(record.created, now),
        ago(record.touched, now)
    );
    end(sessions, Ending::One(session.key), agreed, &question)
}

fn all_of(
    sessions: &Sessions,
    subject: &str,
    except: Option<&KeyDigits>,
    agreed: bool,
) -> Result<Outcome, Failure> {
    let except = except.map(|digits| session_of(sessions, digits, subject)).transpose()?;
    let mut alive = 0;
    for page in sessions.pages(Some(subject)) {
        alive += page?.sessions.iter().filter(|session| Some(session.key) != except).count();
    }
    let shown = printable(subject);
    let but = except.map(|key| format!(" but {key}")).unwrap_or_default();
    if alive == 0 {
        terminal::print(&format!("no session of {shown}{but} is alive: nothing to end\n"))?;
        return Ok(Outcome::Fine);
    }
    let question = format!("End all sessions of {shown}{but} ({alive})?");
    end(sessions, Ending::AllOf { subject: subject.into(), except }, agreed, &question)
}

/// The session that is to stay: where it is nobody's, or another's, all would end that were not meant to.
fn session_of(sessions: &Sessions, digits: &KeyDigits, subject: &str) -> Result<SessionKey, SessionError> {
    let session = digits.find(sessions)?;
    if *session.record.subject == *subject {
        return Ok(session.key);
    }
    let (owner, subject) = (session.record.subject.into(), subject.to_owned());
    Err(SessionError::NotTheirs { key: digits.clone(), owner, subject })
}

fn end(sessions: &Sessions, ending: Ending, agreed: bool, question: &str) -> Result<Outcome, Failure> {
    if !agreed && !terminal::agrees(question)? {
        terminal::print("nothing was ended\n")?;
        return Ok(Outcome::Faults);
    }
    let ended = sessions.store.wait_for(sessions.store.store().end(ending)).map_err(SessionError::from)?;
    terminal::print(&format!("{} ended\n", count(usize::try_from(ended).unwrap_or(usize::MAX), "session")))?;
    Ok(Outcome::Fine)
}
