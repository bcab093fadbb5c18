//! Rate limits in this process: where the policy says `store = "local"`, and while a shared store is away.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicU64, Ordering},
    task::Poll,
    time::Duration,
};

use bartizan_core::{Answer, Query, Timestamp, policy::LimitStore};

use crate::{Answers, BoxFuture, memory::buckets::Buckets};

/// How many buckets are kept where nothing else is said, each of about 50 bytes.
const BUCKETS: usize = 100_000;

/// How long the shared store may take to answer where nothing else is said. A limiter that holds up what it protects
/// is worse than one that counts a little wrong.
const DEADLINE: Duration = Duration::from_millis(500);

/// How long a store that did not answer is left alone. Then one request asks it again, and the others do not wait for
/// what comes of it.
const PAUSE: Duration = Duration::from_secs(1);

/// Answers [`Query::Take`] from this process's memory where the policy says that each process counts by itself, and
/// passes everything else on.
///
/// What all processes are to count together is asked of `A`. While that does not answer, each process counts by itself
/// and lets nobody go uncounted: then as much may come through each of them as the policy lets come through all. An
/// outage is logged when it begins and when it ends. No request waits longer for a count than the deadline
/// (which takes a tokio runtime with its timer, where `A` does not answer at once).
///
/// The buckets are bounded. When there are more than there is room for, the ones that are about to be empty anyway are
/// forgotten, so that nobody gets rid of a bucket that he drained but by draining as many others.
///
/// ```
/// use bartizan_core::{Answer, Query, Timestamp, limit::{LimitKey, Quota, RuleId}, policy::LimitStore};
/// use bartizan_store::{Answers as _, NoStore, WithLocalLimits};
/// use std::time::Duration;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let limits = WithLocalLimits::new(NoStore);
/// let take = Query::Take {
///     key: LimitKey::address(RuleId::named(&["example"]), [192, 0, 2, 1].into()),
///     quota: Quota::new(1, Duration::from_secs(60), 1).unwrap(),
///     cost: 1,
///     store: LimitStore::Local,
///     now: Timestamp(1_000_000),
/// };
/// let Answer::Taken(first) = limits.answer(take.clone()).await else { unreachable!() };
/// let Answer::Taken(second) = limits.answer(take).await else { unreachable!() };
/// assert!(first.allowed && !second.allowed);
/// # });
/// ```
#[derive(Debug)]
pub struct WithLocalLimits<A> {
    inner: A,
    buckets: Buckets,
    outage: Outage,
    deadline: Duration,
}

impl<A: Answers> WithLocalLimits<A> {
    /// Around whoever answers everything else. Room for 100 000 buckets, and a deadline of half a second.
    pub fn new(inner: A) -> Self {
        Self { inner, buckets: Buckets::new(BUCKETS), outage: Outage::default(), deadline: DEADLINE }
    }

    /// Keeps as many buckets, rounded up to a multiple of 64, in the place of those that it had.
    #[must_use]
    pub fn buckets(mut self, buckets: usize) -> Self {
        self.buckets = Buckets::new(buckets);
        self
    }

    /// Waits this long for a shared count.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Who answers everything else.
    pub fn inner(&self) -> &A {
        &self.inner
    }

    /// The shared count, or `None` where it cannot be had.
    async fn shared(&self, query: Query, now: Timestamp) -> Option<Answer> {
        if !self.outage.lets_ask(now) {
            return None;
        }
        let answer = within(self.deadline, self.inner.answer(query)).await;
        let counted = answer.filter(|answer| matches!(answer, Answer::Taken(_)));
        if counted.is_some() {
            self.outage.end();
        } else {
            self.outage.begin(now);
        }
        counted
    }
}

impl<A: Answers> Answers for WithLocalLimits<A> {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        let Query::Take { key, quota, cost, store, now } = query else { return self.inner.answer(query) };
        Box::pin(async move {
            let shared = match store {
                LimitStore::Shared => self.shared(query, now).await,
                LimitStore::Local => None,
            };
            shared.unwrap_or_else(|| Answer::Taken(self.buckets.take(key, quota, cost, now)))
        })
    }

    fn try_answer(&self, query: Query) -> Result<Answer, Query> {
        let Query::Take { key, quota, cost, store, now } = query else { return self.inner.try_answer(query) };
        if store == LimitStore::Shared && !self.outage.leaves_alone(now) {
            if let counted @ Answer::Taken(_) = self.inner.try_answer(query)? {
                self.outage.end();
                return Ok(counted);
            }
            self.outage.begin(now);
        }
        Ok(Answer::Taken(self.buckets.take(key, quota, cost, now)))
    }
}

/// Whether a store that counts for all is away, and since when it was left alone.
#[derive(Debug, Default)]
struct Outage {
    /// When it may be asked again, in milliseconds since 1970; zero where it is not away.
    again: AtomicU64,
}

impl Outage {
    /// Whether this request may ask the store: any, or while it is away one in every [`PAUSE`].
    fn lets_ask(&self, now: Timestamp) -> bool {
        let again = self.again.load(Ordering::Relaxed);
        again == 0 || (!is_pause(again, now) && self.next_turn(again, now))
    }

    /// Whether the store is away and nobody asks it.
    fn leaves_alone(&self, now: Timestamp) -> bool {
        is_pause(self.again.load(Ordering::Relaxed), now)
    }

    /// Takes the one turn after a pause, if no other request was faster.
    fn next_turn(&self, again: u64, now: Timestamp) -> bool {
        let next = now.after(PAUSE).0;
        self.again.compare_exchange(again, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn begin(&self, now: Timestamp) {
        if self.again.swap(now.after(PAUSE).0, Ordering::Relaxed) == 0 {
            tracing::warn!(
                target: "bartizan::store",
                "the store does not count requests; each process counts by itself until it does"
            );
        }
    }

    fn end(&self) {
        // Read first: nearly always nothing is to be written that others read.
        if self.again.load(Ordering::Relaxed) != 0 && self.again.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!(target: "bartizan::store", "the store counts requests again");
        }
    }
}

/// Whether `now` is in the pause that ends with `again`. A clock that stepped back must not leave the store alone for as
/// long as the step was.
fn is_pause(again: u64, now: Timestamp) -> bool {
    now.0 < again && again <= now.after(PAUSE).0
}

/// What `future` comes to, if it does in time. What is there at once needs no timer.
async fn within<T>(deadline: Duration, mut future: BoxFuture<'_, T>) -> Option<T> {
    match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
        Poll::Ready(output) => Some(output),
        Poll::Pending => tokio::time::timeout(deadline, future).await.ok(),
    }
}
