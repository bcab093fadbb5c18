//! A cluster that moves the slot of the sessions to another node, seen with every part of the keys already moved.

use bartizan_core::session::{Ending, NewSession};
use bartizan_peers::RedisCluster;
use bartizan_store::{RedisConfig, Store as _};
use redis::{Connection, RedisResult};

use crate::{
    contents::name_of,
    given::{NOW, all_of, connect, key, session, until_everything_is_answered},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_while_the_slot_moves_holds_afterwards() {
    let Some(cluster) = RedisCluster::start() else { return };
    let store = connect(&RedisConfig::cluster(cluster.urls())).await;
    let keys = ["{bartizan}:subject:alice", "{bartizan}:sessions", "{bartizan}:ends", &name_of(key(1))];
    let mut nodes = Nodes::new(&cluster, keys[1]);
    let renewed = NewSession { replaces: Some(key(1)), most: Some(2), ..session(key(3), "alice") };
    let mut acknowledged = [0; 3];
    for moved in 0..1 << keys.len() {
        let first: Vec<&str> =
            (0..).zip(keys).filter(|(at, _)| moved >> at & 1 == 1).map(|(_, key)| key).collect();
        for (step, acknowledged) in acknowledged.iter_mut().enumerate() {
            nodes.flush();
            store.begin(session(key(1), "alice")).await.unwrap();
            store.begin(session(key(2), "alice")).await.unwrap();
            nodes.begin_to_move(&first);
            let seen = store.session(key(1), NOW).await;
            let answer = match step {
                0 => store.end(all_of("alice")).await.map(|ended| ended > 0),
                1 => store.end(Ending::One(key(1))).await.map(|ended| ended > 0),
                _ => store.begin(renewed.clone()).await.map(|_| true),
            };
            nodes.finish_moving();
            until_everything_is_answered(&store).await;
            let mut alive = [false; 3];
            for (number, alive) in (1..).zip(&mut alive) {
                *alive = store.session(key(number), NOW).await.unwrap().is_some();
            }
            let said = format!("step {step} with {first:?} moved: {seen:?}, {answer:?}, then {alive:?}");
            match (step, &answer) {
                (_, Err(_)) => {}
                (0, Ok(_)) => assert_eq!(alive, [false; 3], "{said}"),
                (1, Ok(_)) => assert!(!alive[0], "{said}"),
                (_, Ok(_)) => assert!(!alive[0] && alive[2], "{said}"),
            }
            *acknowledged += usize::from(answer.is_ok());
            // Whatever it was, it can be ended now.
            store.end(all_of("alice")).await.unwrap();
            assert!(store.sessions(None, None, 10, NOW).await.unwrap().sessions.is_empty(), "{said}");
            for number in 1..=3 {
                assert_eq!(store.session(key(number), NOW).await.unwrap(), None, "{number}, {said}");
            }
        }
    }
    // At least where everything had moved.
    assert!(acknowledged.iter().all(|times| *times > 0), "{acknowledged:?}");
}

/// The nodes of a cluster, the first of which has the slot.
struct Nodes {
    nodes: Vec<Node>,
    slot: u16,
}

struct Node {
    connection: Connection,
    id: String,
    port: u16,
}

impl Nodes {
    fn new(cluster: &RedisCluster, key: &str) -> Self {
        let node = |url: String| {
            let mut connection = redis::Client::open(url.as_str()).unwrap().get_connection().unwrap();
            let id = redis::cmd("CLUSTER").arg("MYID").query(&mut connection).unwrap();
            Node { connection, id, port: url.rsplit(':').next().unwrap().parse().unwrap() }
        };
        let mut nodes: Vec<Node> = cluster.urls().into_iter().map(node).collect();
        let slot = redis::cmd("CLUSTER").arg("KEYSLOT").arg(key).query(&mut nodes[0].connection).unwrap();
        let has = |node: &mut Node| {
            let answer: RedisResult<bool> = redis::cmd("EXISTS").arg(key).query(&mut node.connection);
            answer.is_ok()
        };
        let owner = nodes.iter_mut().position(has).unwrap();
        nodes.rotate_left(owner);
        Self { nodes, slot }
    }

    fn flush(&mut self) {
        for node in &mut self.nodes {
            redis::cmd("FLUSHALL").exec(&mut node.connection).unwrap();
        }
    }

    /// Moves some keys to the second node.
    fn begin_to_move(&mut self, keys: &[&str]) {
        self.set_slot(1, "IMPORTING", 0);
        self.set_slot(0, "MIGRATING", 1);
        self.migrate(keys);
    }

    /// Moves the others too, over what came to be there meanwhile, and then the second is the first.
    fn finish_moving(&mut self) {
        let mut left = redis::cmd("CLUSTER");
        left.arg("GETKEYSINSLOT").arg(self.slot).arg(100);
        let left: Vec<String> = left.query(&mut self.nodes[0].connection).unwrap();
        self.migrate(&left.iter().map(String::as_str).collect::<Vec<_>>());
        for node in [1, 0, 2] {
            self.set_slot(node, "NODE", 1);
        }
        self.nodes.rotate_left(1);
    }

    fn set_slot(&mut self, node: usize, state: &str, other: usize) {
        let other = self.nodes[other].id.clone();
        let mut command = redis::cmd("CLUSTER");
        command.arg("SETSLOT").arg(self.slot).arg(state).arg(other);
        command.exec(&mut self.nodes[node].connection).unwrap();
    }

    fn migrate(&mut self, keys: &[&str]) {
        if keys.is_empty() {
            return;
        }
        let mut command = redis::cmd("MIGRATE");
        command.arg("127.0.0.1").arg(self.nodes[1].port).arg("").arg(0).arg(5000).arg("REPLACE");
        command.arg("KEYS").arg(keys).exec(&mut self.nodes[0].connection).unwrap();
    }
}
