//! Where an instance keeps what it keeps: every row holds on SQLite, and on Postgres with Redis.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicU32, Ordering},
};

use bartizan_core::policy::StoreUrl;
use bartizan_peers::{Postgres, Redis};
use reference_api::{DatabaseSettings, Settings, StoreSettings};
use sqlx::{ConnectOptions as _, Executor as _, postgres::PgConnectOptions};

use crate::instance::Instance;

/// Where instances keep what they keep.
pub(crate) enum Place {
    /// In their folder.
    Folder,
    /// On servers: each in a database of its own.
    Servers(Box<Servers>),
}

pub(crate) struct Servers {
    pub(crate) postgres: Postgres,
    pub(crate) redis: Redis,
    instances: AtomicU32,
}

impl Place {
    /// Servers, where there are any.
    pub(crate) fn servers() -> Option<Self> {
        let (postgres, redis) = (Postgres::start()?, Redis::start()?);
        Some(Self::Servers(Box::new(Servers { postgres, redis, instances: AtomicU32::new(0) })))
    }

    /// An instance in the demo profile.
    pub(crate) async fn start(&self) -> Instance {
        self.with(|_| {}).await
    }

    /// The same, with other settings.
    pub(crate) async fn with(&self, change: impl FnOnce(&mut Settings)) -> Instance {
        let place = match self {
            Self::Folder => None,
            Self::Servers(servers) => Some(servers.fresh().await),
        };
        Instance::open(|settings| {
            if let Some((database, store)) = place {
                settings.database = database;
                settings.store = Some(store);
            }
            change(settings);
        })
        .await
    }
}

impl Servers {
    async fn fresh(&self) -> (DatabaseSettings, StoreSettings) {
        let number = self.instances.fetch_add(1, Ordering::Relaxed);
        let name = format!("instance_{number}");
        let options: PgConnectOptions = self.postgres.url("postgres").parse().unwrap();
        let mut connection = options.connect().await.unwrap();
        let create = format!("CREATE DATABASE {name}");
        connection.execute(sqlx::AssertSqlSafe(create)).await.unwrap();
        self.flush();
        let store = StoreUrl::parse(&self.redis.url()).unwrap();
        let database = DatabaseSettings::Postgres(self.postgres.url(&name).into());
        (database, StoreSettings { url: store, password: None })
    }

    /// Instances follow each other here, and each finds an empty Redis.
    fn flush(&self) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.redis.port())).unwrap();
        stream.write_all(b"FLUSHALL\r\n").unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"+OK\r\n");
    }
}

/// Makes tests of rows: of each one on SQLite, and one of all on the servers, which are started once.
#[macro_export]
macro_rules! rows {
    ($($row:ident),+ $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $row() {
                    super::$row(&$crate::place::Place::Folder).await;
                }
            )+
        }

        /// Each of them in this place, one after the other.
        pub(crate) async fn all(place: &$crate::place::Place) {
            $(
                eprintln!("{}", concat!(module_path!(), "::", stringify!($row)));
                $row(place).await;
            )+
        }
    };
}

#[tokio::test]
async fn every_row_holds_on_postgres_and_redis() {
    let Some(place) = Place::servers() else { return };
    crate::api_keys::all(&place).await;
    crate::comments::all(&place).await;
    crate::files::all(&place).await;
    crate::money::all(&place).await;
    crate::ping::all(&place).await;
    crate::policy::all(&place).await;
    crate::sign_in::all(&place).await;
    crate::tokens::all(&place).await;
    crate::users::all(&place).await;
    crate::injection::all(&place).await;
}
