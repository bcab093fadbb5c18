//! What a gateway says about requests, as `tracing` events with fields.
//!
//! - `bartizan::denial`: a request was refused, or would have been; see [`bartizan::DenialEvent`].
//! - `bartizan::access` (info): a request was answered: `status`, `method`, `path`, `host`, `client_ip`, `route`.
//! - `bartizan::gateway`: the gateway itself.
//!
//! Paths come without their query, which may hold secrets. Whatever a stranger sent is made printable and cut.

use std::net::IpAddr;

use bartizan::DenialEvent;
use bartizan_core::{Denial, DenialCode, Grant, Reason, RequestId, policy::Mode};
use tracing::Level;

use crate::session::Session;

/// A request that was refused.
pub(crate) fn denied(session: &Session, grant: Option<&Grant>, denial: &Denial) {
    refusal(session, grant, denial.reason(), Some(denial.request_id()), Mode::Enforce);
}

/// A request that was let through, and would have been refused if the control's mode were `enforce`.
pub(crate) fn reported(session: &Session, grant: &Grant, reason: &Reason) {
    refusal(session, Some(grant), reason, None, Mode::Report);
}

/// An upstream that handed something off in a trailer, where it does nothing.
#[cold]
pub(crate) fn handed_off_late(session: &Session) {
    let reason = Reason::with_value(DenialCode::HandoffRefused, b"in a trailer");
    refusal(session, None, &reason, None, Mode::Report);
}

fn refusal(
    session: &Session,
    grant: Option<&Grant>,
    reason: &Reason,
    request_id: Option<RequestId>,
    mode: Mode,
) {
    session.with_head(|head| {
        let Asked { method, path, host } = Asked::read(head);
        let client_ip = Some(client(session, grant));
        let route = grant.and_then(Grant::route);
        DenialEvent { reason, request_id, mode, method, path, host, client_ip, route }.emit();
    });
}

/// A request that was answered.
pub(crate) fn answered(session: &Session, grant: Option<&Grant>, status: u16) {
    if !tracing::enabled!(target: "bartizan::access", Level::INFO) {
        return;
    }
    session.with_head(|head| {
        let asked = Asked::read(head);
        tracing::event!(
            target: "bartizan::access",
            Level::INFO,
            status,
            method = %printable(asked.method),
            path = %printable(asked.path),
            host = asked.host.map(printable),
            client_ip = %client(session, grant),
            route = grant.and_then(Grant::route),
            "answered"
        );
    });
}

fn client(session: &Session, grant: Option<&Grant>) -> IpAddr {
    grant.and_then(Grant::client_ip).unwrap_or(session.peer)
}

/// What a request asked for, as far as its head can be read; it may be the malformed one that is being refused.
#[derive(Debug, PartialEq, Eq)]
struct Asked<'h> {
    method: &'h [u8],
    path: &'h [u8],
    host: Option<&'h [u8]>,
}

impl<'h> Asked<'h> {
    fn read(head: &'h [u8]) -> Self {
        let mut lines = head.trim_ascii_start().split(|&byte| byte == b'\n');
        let mut words = lines.next().unwrap_or_default().trim_ascii_end().split(|&byte| byte == b' ');
        let method = words.next().unwrap_or_default();
        let target = words.next().unwrap_or_default();
        let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
        let host = lines
            .filter_map(|line| line.split_at_checked(5))
            .find(|(name, _)| name.eq_ignore_ascii_case(b"host:"))
            .map(|(_, value)| value.trim_ascii());
        Self { method, path, host }
    }
}

/// Bytes of a stranger: visible ASCII as it is, anything else as `?`, at most 512 of them.
fn printable(text: &[u8]) -> String {
    let text = text.get(..512).unwrap_or(text);
    text.iter().map(|&byte| if byte.is_ascii_graphic() { char::from(byte) } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_far_as_they_go() {
        for (head, method, path, host) in [
            ("GET /a?token=x HTTP/1.1\r\nHost: b.example\r\n\r\n", "GET", "/a", Some("b.example")),
            ("\r\nPOST /a\x1b[31m HTTP/1.1\nX: y\nhOST:b\n", "POST", "/a\x1b[31m", Some("b")),
            ("\x16\x03\x01", "\x16\x03\x01", "", None),
            ("", "", "", None),
        ] {
            let (method, path, host) = (method.as_bytes(), path.as_bytes(), host.map(str::as_bytes));
            assert_eq!(Asked::read(head.as_bytes()), Asked { method, path, host });
        }
    }

    #[test]
    fn a_stranger_cannot_write_lines_into_the_log() {
        assert_eq!(printable(b"/a\r\nok\x1b[31m\xff"), "/a??ok?[31m?");
        assert_eq!(printable(&[b'a'; 4096]).len(), 512);
    }
}
