//! How much is written.

use std::{collections::HashSet, time::Duration};

use bartizan_core::{
    Timestamp,
    limit::{LimitKey, Quota, RuleId},
};
use bartizan_store::Store as _;

use super::{NOW, database, execute, key, look_up, new, store};

#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_a_minute_on_two_nodes_write_once() {
    let Some(url) = database().await else { return };
    let nodes = [store(&url).await, store(&url).await];
    nodes[0].begin(new(1)).await.unwrap();
    let spy = "
        CREATE TABLE public.seen (touched BIGINT);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO public.seen VALUES (NEW.touched);
            RETURN NULL;
        END $$;
        CREATE TRIGGER note AFTER UPDATE ON bartizan.sessions FOR EACH ROW EXECUTE FUNCTION note()";
    execute(&url, spy.to_owned()).await;
    for round in 1..=5 {
        // All of them find it stale, and each has another time.
        let calls: Vec<_> = (0..100_u64)
            .map(|number| {
                let node = nodes[usize::from(number % 2 == 1)].clone();
                let now = Timestamp(NOW.0 + round * 120_000 + number * 599);
                tokio::spawn(async move { node.session(key(1), now).await.unwrap().unwrap().touched })
            })
            .collect();
        let mut touched = HashSet::new();
        for call in calls {
            touched.insert(call.await.unwrap());
        }
        assert_eq!(touched.len(), 1, "round {round}: {touched:?}");
        assert_eq!(look_up(&url, "SELECT count(*)::text FROM public.seen").await, round.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_that_is_refused_writes_nothing() {
    let Some(url) = database().await else { return };
    let store = store(&url).await;
    let quota = Quota::new(1, Duration::from_mins(1), 3).unwrap();
    let bucket = LimitKey::named(RuleId::named(&["flood"]), &[]);
    let writer =
        "SELECT coalesce(string_agg(xmin::text || ' ' || xmax::text, ' '), 'nothing') FROM bartizan.limits";
    store.take(bucket, quota, 0, NOW).await.unwrap();
    store.take(bucket, quota, 4, NOW).await.unwrap();
    assert_eq!(look_up(&url, writer).await, "nothing", "a look or a refusal has made a bucket");
    assert!(store.take(bucket, quota, 3, NOW).await.unwrap().allowed);
    let before = look_up(&url, writer).await;
    for second in 0..50 {
        let now = Timestamp(NOW.0 + second * 1000);
        assert!(!store.take(bucket, quota, 1, now).await.unwrap().allowed);
        assert!(store.take(bucket, quota, 0, now).await.unwrap().allowed);
    }
    assert_eq!(look_up(&url, writer).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_forgotten_in_batches_by_all_who_prune() {
    let Some(url) = database().await else { return };
    let nodes = [store(&url).await, store(&url).await];
    execute(
        &url,
        format!(
            "INSERT INTO bartizan.used_tokens
             SELECT sha256(n::text::bytea), {now} + n FROM generate_series(-2499, 100) AS n;
             INSERT INTO bartizan.limits (key, before, tat, minute)
             SELECT substr(sha256(n::text::bytea), 1, 24), 0, {micros} + n, ({micros} + n) / 60000000
             FROM generate_series(-2499, 100) AS n;
             INSERT INTO bartizan.sessions (key, subject, scopes, created, touched, idle, expires, ends)
             SELECT sha256(n::text::bytea), '', '{{}}', 0, 0, 0, 0, {now} + n FROM generate_series(-2499, 100) AS n",
            now = NOW.0,
            micros = NOW.0 * 1000,
        ),
    )
    .await;
    let [one, two] = nodes.map(|node| tokio::spawn(async move { node.prune(NOW).await.unwrap() }));
    assert_eq!(one.await.unwrap() + two.await.unwrap(), 3 * 2500);
    let left = "SELECT (SELECT count(*) FROM bartizan.used_tokens) || ' ' || (SELECT count(*) FROM bartizan.limits) \
                || ' ' || (SELECT count(*) FROM bartizan.sessions)";
    assert_eq!(look_up(&url, left).await, "100 100 100");
}
