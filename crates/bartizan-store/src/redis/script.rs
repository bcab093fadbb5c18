//! The scripts: Redis runs each as one step that nothing comes between.

use std::sync::LazyLock;

use redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, Value, aio::ConnectionLike};

/// A script: its text, and the SHA-1 of it that the server knows it by once it has seen it.
pub(super) struct Script {
    text: String,
    hash: String,
}

macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)*) => {
        $(pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!($file)),+)));)*
    };
}

scripts! {
    SESSION = "sessions.lua" "session.lua";
    BEGIN = "sessions.lua" "begin.lua";
    RENEW = "sessions.lua" "renew.lua";
    END_ONE = "sessions.lua" "end_one.lua";
    END_ALL = "sessions.lua" "end_all.lua";
    LIST = "sessions.lua" "list.lua";
    PRUNE = "sessions.lua" "prune.lua";
    CONSUME = "consume.lua";
    TAKE = "take.lua";
    DOCUMENT = "document.lua";
    REPLACE_DOCUMENT = "replace_document.lua";
    REVOKE_TOKEN = "revoke_token.lua";
    REVOKE_SUBJECT = "revoke_subject.lua";
    IS_REVOKED = "is_revoked.lua";
    API_KEY = "api_key.lua";
    CREATE_API_KEY = "api_keys.lua" "create_api_key.lua";
    ROTATE_API_KEY = "api_keys.lua" "rotate_api_key.lua";
    REVOKE_API_KEY = "api_keys.lua" "revoke_api_key.lua";
    LIST_API_KEYS = "api_keys.lua" "list_api_keys.lua";
    PRUNE_API_KEYS = "api_keys.lua" "prune_api_keys.lua";
}

impl Script {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), hash: redis::Script::new(text).get_hash().to_owned() }
    }

    /// With these keys, of which the first says where in a cluster it runs, and these arguments.
    pub(super) fn call<'a>(&'a self, keys: &'a [String], arguments: &'a [String]) -> Call<'a> {
        Call { script: self, keys, arguments, body: None }
    }
}

/// A script with what it is given.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    script: &'a Script,
    keys: &'a [String],
    arguments: &'a [String],
    body: Option<&'a [u8]>,
}

impl<'a> Call<'a> {
    /// With a last argument that is no text.
    pub(super) fn with(self, body: &'a [u8]) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Runs it by its hash; where the server has not seen it, or forgot it in a restart, by its text.
    ///
    /// `SCRIPT LOAD` would need every node of a cluster; this needs the one that has the key.
    pub(super) async fn run(self, connection: &mut impl ConnectionLike) -> RedisResult<Value> {
        match self.command("EVALSHA", &self.script.hash).query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.command("EVAL", &self.script.text).query_async(connection).await
            }
            answer => answer,
        }
    }

    fn command(self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len()).arg(self.keys).arg(self.arguments).arg(self.body);
        command
    }
}
