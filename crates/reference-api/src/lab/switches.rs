//! The controls that can be switched off in the lab, and what the policy is without them.

use bartizan::policy::{CspConfig, Mode, Policy};

/// A control of the policy that a browser enforces, or acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    Cors,
    Csrf,
    Cookies,
    Csp,
    Headers,
}

impl Switch {
    pub(crate) const ALL: [Self; 5] = [Self::Cors, Self::Csrf, Self::Cookies, Self::Csp, Self::Headers];

    /// As the policy and addresses call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cors => "cors",
            Self::Csrf => "csrf",
            Self::Cookies => "cookies",
            Self::Csp => "csp",
            Self::Headers => "headers",
        }
    }

    /// As a person calls it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Cors => "CORS",
            Self::Csrf => "CSRF",
            Self::Cookies => "Cookies",
            Self::Csp => "Content-Security-Policy",
            Self::Headers => "Headers",
        }
    }

    /// The line of the policy that is in force while it is off.
    pub(crate) const fn line(self) -> &'static str {
        match self {
            // `off` would share nothing. What an application shares by itself stands in `report`.
            Self::Cors => "[cors] mode = \"report\", [isolation] mode = \"off\"",
            Self::Csrf => "[csrf] mode = \"off\"",
            Self::Cookies => "[cookies] mode = \"off\"",
            Self::Csp => "[csp] mode = \"off\"",
            Self::Headers => "[headers] mode = \"off\"",
        }
    }

    /// What else is gone while it is off.
    pub(crate) const fn besides(self) -> Option<&'static str> {
        match self {
            Self::Headers => Some("There is no Content-Security-Policy then either."),
            Self::Cors | Self::Csrf | Self::Cookies | Self::Csp => None,
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|switch| switch.name() == name)
    }

    fn lay_over(self, policy: &mut Policy) {
        match self {
            Self::Cors => {
                policy.cors.mode = Some(Mode::Report);
                // It would keep a foreign fetch out by another rule.
                policy.isolation.mode = Some(Mode::Off);
            }
            Self::Csrf => policy.csrf.mode = Some(Mode::Off),
            Self::Cookies => policy.cookies.mode = Some(Mode::Off),
            Self::Csp => policy.csp = CspConfig { mode: Some(Mode::Off), ..policy.csp.clone() },
            Self::Headers => policy.headers.mode = Some(Mode::Off),
        }
    }
}

/// Which controls are off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Off([bool; Switch::ALL.len()]);

impl Off {
    pub(crate) fn contains(self, switch: Switch) -> bool {
        Switch::ALL.iter().zip(self.0).any(|(one, off)| *one == switch && off)
    }

    pub(crate) fn set(&mut self, switch: Switch, off: bool) {
        for (one, place) in Switch::ALL.iter().zip(&mut self.0) {
            if *one == switch {
                *place = off;
            }
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Switch> {
        Switch::ALL.into_iter().filter(move |switch| self.contains(*switch))
    }

    /// The policy without them.
    pub(crate) fn lay_over(self, policy: &Policy) -> Policy {
        let mut policy = policy.clone();
        self.iter().for_each(|switch| switch.lay_over(&mut policy));
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_is_off_and_nothing_else() {
        let written = Policy::default();
        for switch in Switch::ALL {
            assert_eq!(Switch::from_name(switch.name()), Some(switch));
            let mut off = Off::default();
            off.set(switch, true);
            assert_eq!(off.iter().collect::<Vec<_>>(), [switch]);
            let policy = off.lay_over(&written);
            let modes = [
                (Switch::Cors, policy.cors.mode),
                (Switch::Csrf, policy.csrf.mode),
                (Switch::Cookies, policy.cookies.mode),
                (Switch::Csp, policy.csp.mode),
                (Switch::Headers, policy.headers.mode),
            ];
            for (one, mode) in modes {
                assert_eq!(mode.is_some(), one == switch, "{switch:?}, {one:?}");
            }
            // The line on the page is true: a policy that says it has the mode that was laid over it.
            let mode = if switch == Switch::Cors { "report" } else { "off" };
            assert!(
                switch.line().starts_with(&format!("[{}] mode = \"{mode}\"", switch.name())),
                "{switch:?}"
            );
            off.set(switch, false);
            assert_eq!(off, Off::default());
        }
        assert_eq!(Switch::from_name("host"), None);
    }
}
