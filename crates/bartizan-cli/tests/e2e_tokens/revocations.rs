//! What is revoked by a command is refused by every node, from the next request on.

use bartizan::{OsClock, jwt::AccessToken};
use bartizan_core::{Clock as _, jwt::Token};
use bartizan_peers::{Postgres, Redis};

use crate::{Place, Service, alice, good, told};

async fn what_is_revoked_by_a_command_is_refused_at_once(place: &Place<'_>) {
    // The nodes read the ring once a minute, which is longer than all of this takes.
    let service = Service::new(place, "");
    let ring = service.ring_of_an_hour_ago().await;
    let nodes = [service.node(), service.node()];
    let everywhere = async |token: &str, expected: (u16, String)| {
        for (number, node) in nodes.iter().enumerate() {
            assert_eq!(told(node, token).await, expected, "node {number}: {}", node.log());
        }
    };
    let revoked = || (401, "jwt.revoked".to_owned());
    let bob = AccessToken { subject: "bob".into(), ..alice() };
    let issue = |token: &AccessToken| ring.issue(token, OsClock.now()).unwrap();
    let [by_jti, by_itself, stays] = [issue(&alice()), issue(&alice()), issue(&alice())];
    let bobs = issue(&bob);
    for issued in [&by_jti, &by_itself, &stays, &bobs] {
        everywhere(&issued.token, good()).await;
    }

    service.command(&["token", "revoke", "--jti", &by_jti.jti, "--yes"]);
    everywhere(&by_jti.token, revoked()).await;
    service.command(&["token", "revoke", &by_itself.token, "--yes"]);
    everywhere(&by_itself.token, revoked()).await;
    everywhere(&bobs.token, good()).await;
    service.command(&["token", "revoke", "--subject", "bob", "--yes"]);
    everywhere(&bobs.token, revoked()).await;
    everywhere(&stays.token, good()).await;

    let kid = Token::parse(stays.token.as_bytes()).unwrap().kid().unwrap().to_owned();
    let said = service.command(&["keys", "revoke", &kid, "--yes"]);
    assert!(said.starts_with(&format!("{kid} is revoked; ")), "{said}");
    // The nodes hold it still: it is the store that they ask.
    everywhere(&stays.token, revoked()).await;
    ring.refresh(OsClock.now()).await.unwrap();
    let next = issue(&alice());
    everywhere(&next.token, good()).await;
    everywhere(&stays.token, revoked()).await;
}

#[tokio::test]
async fn over_a_postgres() {
    let Some(postgres) = Postgres::start() else { return };
    what_is_revoked_by_a_command_is_refused_at_once(&Place::Postgres(&postgres)).await;
}

#[tokio::test]
async fn over_a_redis() {
    let Some(redis) = Redis::start() else { return };
    what_is_revoked_by_a_command_is_refused_at_once(&Place::Redis(&redis.url())).await;
}
