//! A cluster that moves the slot of the sessions to another node, seen with every part of the keys already moved.

use bartizan_peers::RedisCluster;
use bartizan_store::{RedisConfig, Store as _};
use redis::{Connection, RedisResult};

use crate::given::{NOW, all_of, connect, key, session, until_everything_is_answered};

const MINE: [&str; 3] = ["{bartizan}:subject:alice", "{bartizan}:sessions", "{bartizan}:ends"];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_ended_while_the_slot_moves_is_ended_afterwards() {
    let Some(cluster) = RedisCluster::start() else { return };
    let store = connect(&RedisConfig::cluster(cluster.urls())).await;
    let mut nodes = Nodes::new(&cluster);
    let keys: Vec<String> = [1, 2]
        .map(|number| crate::contents::name_of(key(number)))
        .into_iter()
        .chain(MINE.map(Into::into))
        .collect();
    let mut acknowledged = 0;
    for moved in 0..1 << keys.len() {
        nodes.flush();
        store.begin(session(key(1), "alice")).await.unwrap();
        store.begin(session(key(2), "alice")).await.unwrap();
        let first: Vec<&String> =
            (0..).zip(&keys).filter(|(at, _)| moved >> at & 1 == 1).map(|(_, key)| key).collect();
        nodes.begin_to_move(&first);
        let seen = store.session(key(1), NOW).await;
        let began = store.begin(session(key(3), "alice")).await;
        let ended = store.end(all_of("alice")).await;
        nodes.finish_moving();
        let said = format!("with {first:?} moved: {seen:?} {began:?} {ended:?}");
        until_everything_is_answered(&store).await;
        if ended.is_ok() {
            acknowledged += 1;
        } else {
            store.end(all_of("alice")).await.unwrap();
        }
        for number in 1..=3 {
            assert_eq!(store.session(key(number), NOW).await.unwrap(), None, "{number}, {said}");
        }
        assert!(store.sessions(None, None, 10, NOW).await.unwrap().sessions.is_empty(), "{said}");
    }
    // At least where nothing or everything had moved.
    assert!(acknowledged >= 2, "{acknowledged}");
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
    fn new(cluster: &RedisCluster) -> Self {
        let node = |url: String| {
            let mut connection = redis::Client::open(url.as_str()).unwrap().get_connection().unwrap();
            let id = redis::cmd("CLUSTER").arg("MYID").query(&mut connection).unwrap();
            Node { connection, id, port: url.rsplit(':').next().unwrap().parse().unwrap() }
        };
        let mut nodes: Vec<Node> = cluster.urls().into_iter().map(node).collect();
        let slot = redis::cmd("CLUSTER").arg("KEYSLOT").arg(MINE[1]).query(&mut nodes[0].connection).unwrap();
        let has = |node: &mut Node| {
            let answer: RedisResult<bool> = redis::cmd("EXISTS").arg(MINE[1]).query(&mut node.connection);
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
    fn begin_to_move(&mut self, keys: &[&String]) {
        self.set_slot(1, "IMPORTING", 0);
        self.set_slot(0, "MIGRATING", 1);
        self.migrate(keys);
    }

    /// Moves the others too, over what came to be there meanwhile, and then the second is the first.
    fn finish_moving(&mut self) {
        let mut left = redis::cmd("CLUSTER");
        left.arg("GETKEYSINSLOT").arg(self.slot).arg(100);
        let left: Vec<String> = left.query(&mut self.nodes[0].connection).unwrap();
        self.migrate(&left.iter().collect::<Vec<_>>());
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

    fn migrate(&mut self, keys: &[&String]) {
        if keys.is_empty() {
            return;
        }
        let mut command = redis::cmd("MIGRATE");
        command.arg("127.0.0.1").arg(self.nodes[1].port).arg("").arg(0).arg(5000).arg("REPLACE");
        command.arg("KEYS").arg(keys).exec(&mut self.nodes[0].connection).unwrap();
    }
}
