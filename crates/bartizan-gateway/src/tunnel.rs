//! WebSocket tunnels (RFC 6455 §4): bytes go both ways uninterpreted, once both sides have agreed.

use std::{future::poll_fn, io, pin::pin, rc::Rc, task::Poll};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use hyper::{body::Incoming, upgrade::Parts};
use hyper_util::rt::TokioIo;
use sha1::{Digest as _, Sha1};
use tokio::{
    io::{AsyncWriteExt as _, copy_bidirectional},
    net::TcpStream,
};

use crate::{
    forward,
    gate::Gate,
    session::{Phase, Session},
    upstream::Socket,
};

/// Proves that a server speaks WebSocket (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The upstream's side of a tunnel.
pub(crate) struct Tunnel {
    stream: TcpStream,
    /// What the upstream sent right behind its response.
    ahead: Bytes,
}

/// Whether a 101 agrees to the handshake with `key` (RFC 6455 §4.1). Anything less would open a tunnel through
/// which a client could send requests that nobody judges.
pub(crate) fn agrees(headers: &HeaderMap, key: &HeaderValue) -> bool {
    let has = |name, expected: &[u8]| {
        headers
            .get_all(name)
            .iter()
            .flat_map(forward::tokens)
            .any(|token| token.eq_ignore_ascii_case(expected))
    };
    let mut accepts = headers.get_all(header::SEC_WEBSOCKET_ACCEPT).iter();
    has(header::UPGRADE, b"websocket")
        && has(header::CONNECTION, b"upgrade")
        && accepts.next().is_some_and(|accept| accept.as_bytes() == accept_key(key).as_bytes())
        && accepts.next().is_none()
}

fn accept_key(key: &HeaderValue) -> String {
    STANDARD.encode(Sha1::new().chain_update(key.as_bytes()).chain_update(GUID).finalize())
}

impl Tunnel {
    /// Takes the connection out of a response that [`agrees`].
    pub(crate) async fn take(response: &mut Response<Incoming>) -> Option<Self> {
        let upgraded = hyper::upgrade::on(response).await.ok()?;
        let Parts { io, read_buf, .. } = upgraded.downcast::<TokioIo<Socket>>().ok()?;
        Some(Self { stream: io.into_inner().into_inner(), ahead: read_buf })
    }

    /// Copies until both sides are done, one breaks off, or nothing has moved for the idle timeout. `ahead` is what
    /// the client sent and hyper has read.
    pub(crate) async fn run(
        mut self,
        session: &Rc<Session>,
        gate: &mut Gate<TcpStream>,
        ahead: Bytes,
    ) -> io::Result<()> {
        gate.open();
        session.enter(Phase::Tunnel);
        let mut copying = pin!(async {
            self.stream.write_all(&ahead).await?;
            gate.write_all(&self.ahead).await?;
            copy_bidirectional(gate, &mut self.stream).await
        });
        poll_fn(|context| {
            session.deadline.watch(context);
            if session.deadline.has_passed() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            copying.as_mut().poll(context).map_ok(drop)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complete_agreement_counts() {
        // The example of RFC 6455 §1.3.
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        let good = [
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ];
        let map = |pairs: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in pairs {
                map.append(*name, HeaderValue::from_static(value));
            }
            map
        };
        assert!(agrees(&map(&good), &key));
        for index in 0..good.len() {
            let mut lacking = good.to_vec();
            lacking.remove(index);
            assert!(!agrees(&map(&lacking), &key), "without {}", good[index].0);
            let mut wrong = good;
            wrong[index].1 = "h2c";
            assert!(!agrees(&map(&wrong), &key), "with a wrong {}", good[index].0);
        }
        let twice = [good.as_slice(), &[("sec-websocket-accept", "x")]].concat();
        assert!(!agrees(&map(&twice), &key));
    }
}
