//! `bartizan keys rotate`: the standby takes over.

use std::fmt::Write as _;

use bartizan::OsClock;
use bartizan_core::{
    Clock as _, Timestamp,
    key_ring::{Ring, RingKey, Settings},
};

use super::{KeysError, shown};
use crate::{
    Outcome,
    arguments::KeysRotateArguments,
    failure::Failure,
    terminal,
    when::{ahead, minute},
};

/// Rotates, and says when that is effective.
pub(super) fn run(arguments: &KeysRotateArguments) -> Result<Outcome, Failure> {
    let Some(deployment) = super::deployment(&arguments.policy)? else { return Ok(Outcome::Faults) };
    let now = OsClock.now();
    let ring = super::open(&deployment, now)?;
    let before = ring.ring();
    deployment.wait_for(ring.rotate(now)).map_err(KeysError::from)?;
    let text = told(&before, &ring.ring(), ring.settings(), now);
    drop(ring);
    deployment.close();
    terminal::print(&text)?;
    Ok(Outcome::Fine)
}

/// What changed.
fn told(before: &Ring, after: &Ring, settings: &Settings, now: Timestamp) -> String {
    let when = |at: Timestamp| match at {
        at if at <= now => "now".to_owned(),
        at => format!("{} ({})", minute(at), ahead(at, now)),
    };
    let mut text = String::new();
    let mut keys: Vec<_> = after.keys().iter().filter_map(|key| Some((key, key.window()?))).collect();
    keys.sort_by_key(|(_, window)| window.from);
    for (key, window) in keys {
        let kid = shown(key.kid());
        match before.key(key.kid()).map(RingKey::window) {
            None => {
                let _ =
                    writeln!(text, "{kid}  is new: it stands ready, and signs from {}", when(window.from));
            }
            Some(Some(old)) if old.from != window.from => {
                // A node holds back by the skew.
                let from = window.from.after(settings.skew());
                let _ = writeln!(text, "{kid}  signs from {}; it was to be {}", when(from), minute(old.from));
            }
            Some(Some(old)) if old.until != window.until => {
                let _ = writeln!(
                    text,
                    "{kid}  signs until {} at the latest, on nodes that have not read this yet; what it signed \
                     stays good",
                    when(window.until)
                );
            }
            Some(_) => {}
        }
    }
    if text.is_empty() {
        return "a rotation is under way already; `bartizan keys list` shows when the standby begins\n"
            .into();
    }
    format!("rotated\n{text}")
}
