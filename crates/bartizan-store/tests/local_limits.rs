//! Counting in this process: instead of the store where the policy says so, and in its place while it is away.

use std::{
    fmt,
    future::pending,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use bartizan_core::{
    Answer, Query, Timestamp,
    limit::{LimitKey, Quota, RuleId, Taken},
    policy::LimitStore,
    session::SessionKey,
};
use bartizan_store::{Answers, BoxFuture, MemoryLimits, MemoryStore, WithLocalLimits};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// What the store behind does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    Counts,
    /// Without being waited for.
    CountsAtOnce,
    SaysUnavailable,
    SaysUnavailableAtOnce,
    Hangs,
}

/// A store in memory that can be taken away, and knows how often it was asked.
struct Behind {
    store: MemoryStore,
    behaviour: Mutex<Behaviour>,
    asked: AtomicU32,
}

impl Behind {
    fn new(behaviour: Behaviour) -> Arc<Self> {
        let store = MemoryStore::new(MemoryLimits::default());
        Arc::new(Self { store, behaviour: Mutex::new(behaviour), asked: AtomicU32::new(0) })
    }

    fn becomes(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    /// How often it was asked since the last time.
    fn asked(&self) -> u32 {
        self.asked.swap(0, Ordering::Relaxed)
    }
}

impl Answers for Behind {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match *self.behaviour.lock().unwrap() {
            Behaviour::Counts | Behaviour::CountsAtOnce => self.store.answer(query),
            Behaviour::SaysUnavailable | Behaviour::SaysUnavailableAtOnce => {
                Box::pin(async { Answer::Unavailable })
            }
            Behaviour::Hangs => Box::pin(pending()),
        }
    }

    fn try_answer(&self, query: Query) -> Result<Answer, Query> {
        let answer = match *self.behaviour.lock().unwrap() {
            Behaviour::CountsAtOnce => self.store.try_answer(query),
            Behaviour::SaysUnavailableAtOnce => Ok(Answer::Unavailable),
            _ => Err(query),
        };
        self.asked.fetch_add(u32::from(answer.is_ok()), Ordering::Relaxed);
        answer
    }
}

fn take(number: u32, cost: u32, store: LimitStore, millis: u64) -> Query {
    Query::Take {
        key: LimitKey::address(RuleId::named(&["test"]), Ipv4Addr::from(number).into()),
        quota: Quota::new(3, Duration::from_hours(1), 3).unwrap(),
        cost,
        store,
        now: Timestamp(1_700_000_000_000 + millis),
    }
}

async fn taken(limits: &impl Answers, query: Query) -> Taken {
    match limits.answer(query).await {
        Answer::Taken(taken) => taken,
        other => panic!("{other:?}"),
    }
}

/// The same where it is answered at once.
fn taken_at_once(limits: &impl Answers, query: &Query) -> Option<Taken> {
    match limits.try_answer(query.clone()) {
        Ok(Answer::Taken(taken)) => Some(taken),
        Err(given_back) if given_back == *query => None,
        other => panic!("{other:?}"),
    }
}

use LimitStore::{Local, Shared};

#[tokio::test]
async fn what_is_counted_here_is_asked_of_nobody_else() {
    let behind = Behind::new(Behaviour::Hangs);
    let limits = WithLocalLimits::new(Arc::clone(&behind));
    for (number, millis, allowed, remaining) in [
        (1, 0, true, 2),
        (1, 0, true, 1),
        (1, 0, true, 0),
        (1, 0, false, 0),
        (2, 0, true, 2),
        (1, 1_200_000, true, 0),
    ] {
        let taken = taken(&limits, take(number, 1, Local, millis)).await;
        assert_eq!((taken.allowed, taken.remaining), (allowed, remaining), "{number} {millis}");
    }
    assert_eq!(behind.asked(), 0);
}

#[tokio::test]
async fn everything_else_is_passed_on() {
    let behind = Behind::new(Behaviour::Counts);
    let limits = WithLocalLimits::new(Arc::clone(&behind));
    let session = Query::Session { key: SessionKey::of(b"x"), now: Timestamp(0) };
    assert_eq!(limits.answer(session.clone()).await, Answer::Unknown);
    behind.becomes(Behaviour::SaysUnavailable);
    assert_eq!(limits.answer(session).await, Answer::Unavailable);
    assert_eq!(behind.asked(), 2);
}

#[tokio::test]
async fn what_all_count_together_is_counted_by_the_store() {
    let behind = Behind::new(Behaviour::Counts);
    let (one, other) = (WithLocalLimits::new(Arc::clone(&behind)), WithLocalLimits::new(Arc::clone(&behind)));
    for (limits, allowed) in [(&one, true), (&other, true), (&one, true), (&other, false), (&one, false)] {
        assert_eq!(taken(limits, take(1, 1, Shared, 0)).await.allowed, allowed);
    }
    // And has nothing to do with what is counted here.
    assert!(taken(&one, take(1, 1, Local, 0)).await.allowed);
}

#[tokio::test]
async fn while_the_store_is_away_it_is_asked_once_a_second() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let behind = Behind::new(Behaviour::Counts);
    let limits = WithLocalLimits::new(Arc::clone(&behind));
    assert_eq!(taken(&limits, take(1, 1, Shared, 0)).await.remaining, 2);
    assert_eq!(behind.asked(), 1);

    behind.becomes(Behaviour::SaysUnavailable);
    // Counted here from nothing: the store's count is out of reach.
    for (millis, allowed, remaining, asked) in [
        (0, true, 2, 1),
        (1, true, 1, 0),
        (999, true, 0, 0),
        (1000, false, 0, 1),
        (1001, false, 0, 0),
        (1999, false, 0, 0),
        (2000, false, 0, 1),
    ] {
        let taken = taken(&limits, take(1, 1, Shared, millis)).await;
        assert_eq!((taken.allowed, taken.remaining, behind.asked()), (allowed, remaining, asked), "{millis}");
    }
    assert_eq!(log.lines(), ["WARN"]);

    behind.becomes(Behaviour::Counts);
    assert_eq!(taken(&limits, take(1, 0, Shared, 2999)).await.remaining, 0);
    assert_eq!((behind.asked(), taken(&limits, take(1, 0, Shared, 3000)).await.remaining), (0, 2));
    assert_eq!(taken(&limits, take(1, 1, Shared, 3000)).await.remaining, 1);
    assert_eq!((behind.asked(), log.lines()), (2, vec!["WARN", "INFO"]));

    // The next outage is another, and what was counted here in the last one still is.
    behind.becomes(Behaviour::SaysUnavailable);
    assert!(!taken(&limits, take(1, 1, Shared, 3001)).await.allowed);
    assert_eq!(log.lines(), ["WARN", "INFO", "WARN"]);
}

#[tokio::test]
async fn what_is_counted_here_or_at_once_is_answered_at_once() {
    use Behaviour::{Counts, CountsAtOnce, Hangs, SaysUnavailableAtOnce};

    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let behind = Behind::new(Counts);
    let limits = WithLocalLimits::new(Arc::clone(&behind));
    for (behaviour, store, millis, remaining, asked, logged) in [
        (Hangs, Local, 0, Some(2), 0, 0),
        // It has to be waited for, and nothing was counted.
        (Hangs, Shared, 0, None, 0, 0),
        (Counts, Shared, 0, None, 0, 0),
        (CountsAtOnce, Shared, 0, Some(2), 1, 0),
        (CountsAtOnce, Shared, 0, Some(1), 1, 0),
        (SaysUnavailableAtOnce, Shared, 0, Some(1), 1, 1),
        // Left alone for a second, whatever it would say.
        (CountsAtOnce, Shared, 999, Some(0), 0, 1),
        (Hangs, Shared, 999, Some(0), 0, 1),
        (Hangs, Shared, 1000, None, 0, 1),
        (SaysUnavailableAtOnce, Shared, 1000, Some(0), 1, 1),
        (CountsAtOnce, Shared, 2000, Some(0), 1, 2),
        (SaysUnavailableAtOnce, Local, 2000, Some(0), 0, 2),
    ] {
        behind.becomes(behaviour);
        let taken = taken_at_once(&limits, &take(1, 1, store, millis));
        let seen = (taken.map(|taken| taken.remaining), behind.asked(), log.lines().len());
        assert_eq!(seen, (remaining, asked, logged), "{millis}");
    }
    assert_eq!(log.lines(), ["WARN", "INFO"]);
    let session = Query::Session { key: SessionKey::of(b"x"), now: Timestamp(0) };
    behind.becomes(Hangs);
    assert_eq!(limits.try_answer(session.clone()), Err(session.clone()));
    behind.becomes(CountsAtOnce);
    assert_eq!(limits.try_answer(session), Ok(Answer::Unknown));
}

#[tokio::test]
async fn an_outage_begins_and_ends_the_same_at_once_and_waited_for() {
    use Behaviour::{Counts, CountsAtOnce, SaysUnavailable, SaysUnavailableAtOnce};

    let steps: Vec<_> = [1, 999, 1000]
        .into_iter()
        .flat_map(|millis| {
            let all = [Counts, CountsAtOnce, SaysUnavailable, SaysUnavailableAtOnce];
            all.map(|behaviour| (behaviour, millis))
        })
        .collect();
    let all = steps.iter().flat_map(|first| steps.iter().map(move |second| (first, second)));
    for (first, second) in all {
        let mut seen = Vec::new();
        for waits in [false, true] {
            let log = Log::default();
            let _guard = tracing::subscriber::set_default(log.clone());
            let behind = Behind::new(Counts);
            let limits = WithLocalLimits::new(Arc::clone(&behind));
            let (mut millis, mut all) = (0, Vec::new());
            for (behaviour, after) in [first, second, first, first, second] {
                behind.becomes(*behaviour);
                millis += after;
                let query = take(1, 1, Shared, millis);
                let at_once = if waits { None } else { taken_at_once(&limits, &query) };
                let taken = match at_once {
                    Some(taken) => taken,
                    None => taken(&limits, query).await,
                };
                all.push((taken, behind.asked(), log.lines()));
            }
            seen.push(all);
        }
        assert_eq!(seen[0], seen[1], "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn a_clock_that_steps_back_does_not_leave_the_store_alone() {
    let behind = Behind::new(Behaviour::SaysUnavailable);
    let limits = WithLocalLimits::new(Arc::clone(&behind));
    taken(&limits, take(1, 1, Shared, 3_600_000)).await;
    behind.becomes(Behaviour::Counts);
    assert_eq!((taken(&limits, take(2, 1, Shared, 0)).await.allowed, behind.asked()), (true, 2));
}

#[tokio::test]
async fn a_store_that_hangs_holds_up_one_request_until_the_deadline_and_no_other() {
    let behind = Behind::new(Behaviour::Hangs);
    let limits = Arc::new(WithLocalLimits::new(Arc::clone(&behind)).deadline(Duration::from_millis(20)));
    assert!(taken(&limits, take(1, 1, Shared, 0)).await.allowed);
    assert_eq!(behind.asked(), 1);
    // Alone for a second; then one asks again and the others do not wait with it.
    let mut probe = limits.answer(take(1, 1, Shared, 1000));
    assert!(is_pending(&mut probe).await);
    for _ in 0..3 {
        let mut other = limits.answer(take(2, 1, Shared, 1000));
        assert!(!is_pending(&mut other).await);
    }
    assert_eq!(behind.asked(), 1);
    assert!(matches!(probe.await, Answer::Taken(Taken { allowed: true, remaining: 1, .. })));
}

async fn is_pending(answer: &mut BoxFuture<'_, Answer>) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(answer.as_mut().poll(context).is_pending())).await
}

#[test]
fn of_many_at_once_exactly_a_burst_gets_through() {
    let limits = Arc::new(WithLocalLimits::new(Behind::new(Behaviour::Hangs)));
    let passed: u32 = thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(async {
                        let mut passed = 0;
                        for number in (0..50).cycle().take(2000) {
                            passed += u32::from(taken(&*limits, take(number, 1, Local, 0)).await.allowed);
                        }
                        passed
                    })
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(passed, 50 * 3);
}

#[test]
fn an_outage_in_the_middle_of_a_race_lets_at_most_one_more_burst_through() {
    let behind = Behind::new(Behaviour::Counts);
    let limits = Arc::new(WithLocalLimits::new(Arc::clone(&behind)));
    let passed: u32 = thread::scope(|scope| {
        let racers: Vec<_> = (0..4_u64)
            .map(|racer| {
                let (limits, behind) = (&limits, &behind);
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(async {
                        let mut passed = 0;
                        for turn in 0..2000_u64 {
                            if racer == 0 && turn % 50 == 0 {
                                let away = turn % 100 == 0;
                                behind.becomes(if away {
                                    Behaviour::SaysUnavailable
                                } else {
                                    Behaviour::Counts
                                });
                            }
                            passed += u32::from(taken(&**limits, take(1, 1, Shared, turn)).await.allowed);
                        }
                        passed
                    })
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    // Three by the store, three here.
    assert!((3..=6).contains(&passed), "{passed}");
}

#[tokio::test]
async fn a_flood_of_addresses_does_not_refill_a_bucket_that_was_drained() {
    let limits = WithLocalLimits::new(Behind::new(Behaviour::Hangs)).buckets(640);
    let drained = take(u32::MAX, 3, Local, 0);
    assert!(taken(&limits, drained).await.allowed);
    for number in 0..100_000 {
        assert!(taken(&limits, take(number, 1, Local, 0)).await.allowed, "{number}");
    }
    assert_eq!(taken(&limits, take(u32::MAX, 0, Local, 0)).await.remaining, 0);
}

/// The levels of what is logged, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Level>>>);

impl Log {
    fn lines(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().iter().map(Level::as_str).collect()
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "bartizan::store"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(*event.metadata().level());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
