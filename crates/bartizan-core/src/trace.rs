//! Which control decided what, and why: written by the code that decides, read by `explain` and the log.

use alloc::{borrow::Cow, string::String, vec::Vec};

/// Receives what each control found.
///
/// The engine is generic over it, so that with [`NoTrace`] the calls, and the texts they would have built,
/// compile to nothing.
pub trait Trace {
    /// Called once per control that looked at the request, in order. `why` is only called if someone reads it.
    fn note(&mut self, control: &'static str, verdict: Verdict, why: impl FnOnce() -> Cow<'static, str>);
}

/// What a control found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has nothing against the request.
    Pass,
    /// It does not concern this request, or is off.
    Skip,
    /// It answers the request itself (preflight, health, redirect).
    Answer,
    /// It would have refused, but its mode is `report`.
    Report,
    /// It refuses.
    Refuse,
}

impl Verdict {
    /// `pass`, `skip`, `answer`, `report` or `refuse`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Skip => "skip",
            Self::Answer => "answer",
            Self::Report => "report",
            Self::Refuse => "refuse",
        }
    }
}

/// Nobody asks: costs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

impl Trace for NoTrace {
    #[inline]
    fn note(&mut self, _: &'static str, _: Verdict, _: impl FnOnce() -> Cow<'static, str>) {}
}

/// Lends a trace, to read it afterwards.
impl<T: Trace> Trace for &mut T {
    #[inline]
    fn note(&mut self, control: &'static str, verdict: Verdict, why: impl FnOnce() -> Cow<'static, str>) {
        (**self).note(control, verdict, why);
    }
}

/// Keeps every note, for `explain`.
#[derive(Clone, Debug, Default)]
pub struct Recording(pub Vec<Note>);

/// One line of a [`Recording`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The control, by the name of its file.
    pub control: &'static str,
    /// What it found.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub why: String,
}

impl Trace for Recording {
    fn note(&mut self, control: &'static str, verdict: Verdict, why: impl FnOnce() -> Cow<'static, str>) {
        self.0.push(Note { control, verdict, why: why().into_owned() });
    }
}
