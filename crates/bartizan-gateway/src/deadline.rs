//! Deadlines without timers: one coarse clock per thread, and a memory cell per connection.
//!
//! A proxied request passes through several deadlines (head, connect, response, idle). A timer for each, as
//! `tokio::time::timeout` makes them, costs some 800 instructions and is nearly always thrown away unused. Here,
//! setting a deadline stores one number. Ten times a second the [`Clock`] compares the number of every
//! connection with the time, and wakes the tasks whose time has come. A deadline is therefore up to two ticks
//! late, and never early.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use slab::Slab;

/// How often the clock compares.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// A span of time in ticks, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticks(u64);

impl Ticks {
    pub(crate) fn new(span: Duration) -> Self {
        Self(u64::try_from(span.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u64::MAX))
    }
}

/// No deadline is set.
const NEVER: u64 = u64::MAX;

/// The time of one thread, in ticks since it began.
pub(crate) struct Clock {
    start: Instant,
    now: Cell<u64>,
    slots: RefCell<Slab<Rc<Slot>>>,
}

struct Slot {
    due: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

impl Clock {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self { start: Instant::now(), now: Cell::new(0), slots: RefCell::default() })
    }

    /// Looks at the real time and wakes every task whose deadline has passed.
    pub(crate) fn advance(&self) {
        self.advance_to(self.start.elapsed());
    }

    /// Takes `elapsed` for the time since it began.
    pub(crate) fn advance_to(&self, elapsed: Duration) {
        let now = u64::try_from(elapsed.as_millis() / TICK.as_millis()).unwrap_or(NEVER - 1);
        self.now.set(now);
        self.wake_where(|slot| slot.due.get() <= now);
    }

    /// Wakes every task that has a deadline, so that it looks at what has changed: the thread drains.
    pub(crate) fn wake_all(&self) {
        self.wake_where(|_| true);
    }

    fn wake_where(&self, chosen: impl Fn(&Slot) -> bool) {
        for (_, slot) in self.slots.borrow().iter().filter(|(_, slot)| chosen(slot)) {
            if let Some(waker) = &*slot.waker.borrow() {
                waker.wake_by_ref();
            }
        }
    }

    /// The current tick.
    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }

    /// Whether `span` has passed since the tick `since`.
    pub(crate) fn passed(&self, since: u64, span: Ticks) -> bool {
        self.now.get().saturating_sub(since) > span.0
    }

    /// A new deadline, not set.
    pub(crate) fn deadline(self: &Rc<Self>) -> Deadline {
        let slot = Rc::new(Slot { due: Cell::new(NEVER), waker: RefCell::default() });
        let key = self.slots.borrow_mut().insert(Rc::clone(&slot));
        Deadline { clock: Rc::clone(self), slot, key }
    }
}

/// A point in time at which a task is woken; it can be moved at the cost of a store.
pub(crate) struct Deadline {
    clock: Rc<Clock>,
    slot: Rc<Slot>,
    key: usize,
}

impl Deadline {
    /// Moves it to `span` from now.
    pub(crate) fn set(&self, span: Ticks) {
        // One tick more, since part of the current tick has passed.
        self.slot.due.set(self.clock.now.get().saturating_add(span.0).saturating_add(1));
    }

    /// Whether it has passed.
    pub(crate) fn has_passed(&self) -> bool {
        self.slot.due.get() <= self.clock.now.get()
    }

    /// Has the task of `context` woken when it passes.
    pub(crate) fn watch(&self, context: &Context<'_>) {
        let mut waker = self.slot.waker.borrow_mut();
        match &mut *waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => *waker = Some(context.waker().clone()),
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.clock.slots.borrow_mut().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    struct Count(AtomicUsize);
    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn it_passes_late_and_never_early() {
        let clock = Clock::new();
        let deadline = clock.deadline();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        deadline.watch(&Context::from_waker(&Waker::from(Arc::clone(&count))));
        clock.advance_to(Duration::from_millis(199));
        assert!(!deadline.has_passed(), "none is set");
        deadline.set(Ticks::new(Duration::from_millis(250)));
        for (at, passed) in [(449, false), (499, false), (500, true), (601, true)] {
            clock.advance_to(Duration::from_millis(at));
            assert_eq!(deadline.has_passed(), passed, "at {at}");
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        deadline.set(Ticks::new(Duration::from_secs(1)));
        assert!(!deadline.has_passed(), "it was moved");
    }

    #[test]
    fn a_dropped_deadline_is_forgotten() {
        let clock = Clock::new();
        let (first, second) = (clock.deadline(), clock.deadline());
        drop(first);
        assert_eq!(clock.slots.borrow().len(), 1);
        drop(second);
        assert!(clock.slots.borrow().is_empty());
    }

    #[test]
    fn spans_round_up() {
        assert_eq!(Ticks::new(Duration::from_millis(1)), Ticks(1));
        assert_eq!(Ticks::new(Duration::from_millis(100)), Ticks(1));
        assert_eq!(Ticks::new(Duration::from_millis(101)), Ticks(2));
        assert_eq!(Ticks::new(Duration::MAX).0, u64::MAX);
    }
}
