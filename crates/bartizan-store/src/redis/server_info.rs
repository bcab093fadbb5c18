//! What a server says of itself when a connection is opened: whether it is one that sessions can be kept in.

use redis::{
    ErrorKind, RedisError, ServerErrorKind, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster_async::ClusterConnection,
};

/// A single server must be no replica, which lags, and no node of a cluster, which has a part of the keys.
pub(super) async fn check_server(what: &str, server: &mut MultiplexedConnection) -> Result<(), RedisError> {
    let Some(info) = ask(what, server).await? else { return Ok(()) };
    for text in texts(info) {
        let info = Info(&text);
        if info.field("role") == Some("slave") {
            return Err(refusal("it is a replica, which may not know yet what has ended: name its primary"));
        }
        if info.field("redis_mode") == Some("cluster") {
            return Err(refusal("it is a node of a cluster: write `cluster = true`"));
        }
        info.warn_of_eviction(what);
    }
    Ok(())
}

/// All nodes of a cluster are looked at.
pub(super) async fn check_cluster(what: &str, cluster: &mut ClusterConnection) -> Result<(), RedisError> {
    let Some(info) = ask(what, cluster).await? else { return Ok(()) };
    for text in texts(info) {
        Info(&text).warn_of_eviction(what);
    }
    Ok(())
}

/// `None` where the user of the connection may not ask.
async fn ask(what: &str, connection: &mut impl ConnectionLike) -> Result<Option<Value>, RedisError> {
    match redis::cmd("INFO").query_async(connection).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => {
            tracing::debug!(target: "bartizan::store", what, "INFO is not permitted; whether keys can be evicted is not known");
            Ok(None)
        }
        answer => answer.map(Some),
    }
}

/// The text of a server, or those of all nodes, which come with their addresses.
fn texts(info: Value) -> Vec<String> {
    match info {
        Value::Map(nodes) => nodes.into_iter().flat_map(|(_, info)| texts(info)).collect(),
        one => redis::from_redis_value(one).into_iter().collect(),
    }
}

fn refusal(why: &'static str) -> RedisError {
    (ErrorKind::InvalidClientConfig, why).into()
}

/// Lines of `name:value`.
struct Info<'a>(&'a str);

impl Info<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    fn warn_of_eviction(&self, what: &str) {
        if let Some(policy) = self.field("maxmemory_policy").filter(|policy| *policy != "noeviction") {
            tracing::warn!(
                target: "bartizan::store", what, maxmemory_policy = policy,
                "this Redis forgets keys when its memory is full: sessions end unasked, used one-time tokens can be used \
                 again, rate limits begin anew; set maxmemory-policy noeviction",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let info = Info("# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\nrole:master\r\n");
        assert_eq!(info.field("maxmemory"), Some("0"));
        assert_eq!(info.field("maxmemory_policy"), Some("allkeys-lru"));
        assert_eq!(info.field("rol"), None);
    }
}
