//! The denial log: one `tracing` event per refusal, the same fields on every surface.

use std::{fmt, net::IpAddr};

use bartizan_core::{DenialCode, Reason, RequestId, policy::Mode};

/// The target of every event of the denial log, for filters: `bartizan::denial=info`.
pub const DENIAL_TARGET: &str = "bartizan::denial";

/// A refusal, as it is logged under [`DENIAL_TARGET`]: at level WARN, or INFO where mode `report` let the
/// request pass. A `handoff.refused` in `report` is at level WARN: the header was refused, and the response passed.
///
/// | field | what | example |
/// |---|---|---|
/// | `code` | the stable code | `csrf.cross-site` |
/// | `control` | the control that refused | `csrf` |
/// | `status` | the status that goes with it | `403` |
/// | `method`, `path` | the request's; never its query, which may hold secrets | `POST`, `/transfer` |
/// | `host` | the host that the client asked for | `api.example.com` |
/// | `client_ip` | the client's address, after trusted proxies | `203.0.113.9` |
/// | `route` | the pattern of the route that matched | `* /admin/**` |
/// | `request_id` | what the client was told, 16 hexadecimal digits | `9f2c…` |
/// | `value` | what was at fault, printable and at most 128 characters | `https://evil.example` |
/// | `allow` | the policy line that would allow it | `[origin] trusted = ["https://evil.example"]` |
/// | `mode` | `enforce` or `report`; an `api-key.expired` in `report` is of a key that was replaced and is still good | `enforce` |
///
/// A field that is not known is left out.
#[derive(Clone, Copy, Debug)]
pub struct DenialEvent<'a> {
    /// Why, with the offending value.
    pub reason: &'a Reason,
    /// The id that the client was told; there is none where the request passed.
    pub request_id: Option<RequestId>,
    /// [`Mode::Report`] where the request passed, [`Mode::Enforce`] where it did not.
    pub mode: Mode,
    /// The request's method, as sent.
    pub method: &'a [u8],
    /// The request's path, as sent, without the query.
    pub path: &'a [u8],
    /// The host that the client asked for.
    pub host: Option<&'a [u8]>,
    /// The client's address.
    pub client_ip: Option<IpAddr>,
    /// The pattern of the route that matched.
    pub route: Option<&'a str>,
}

impl DenialEvent<'_> {
    /// Logs it.
    pub fn emit(&self) {
        if self.mode == Mode::Report {
            self.emit_at::<false>();
        } else {
            self.emit_at::<true>();
        }
    }

    fn emit_at<const ENFORCED: bool>(&self) {
        macro_rules! event {
            ($level:expr, $text:literal) => {
                tracing::event!(
                    target: DENIAL_TARGET,
                    $level,
                    code = self.reason.code().as_str(),
                    control = self.reason.code().control(),
                    status = self.reason.code().status(),
                    method = %Printable(self.method),
                    path = %Printable(self.path),
                    host = self.host.map(|host| tracing::field::display(Printable(host))),
                    client_ip = self.client_ip.map(tracing::field::display),
                    route = self.route,
                    request_id = self.request_id.map(tracing::field::display),
                    value = self.reason.value(),
                    allow = self.reason.allow_line(),
                    mode = if ENFORCED { "enforce" } else { "report" },
                    $text
                )
            };
        }
        match (self.reason.code(), ENFORCED) {
            (DenialCode::HandlerPanic, _) => event!(tracing::Level::ERROR, "the handler panicked"),
            (DenialCode::ApiKeyExpired, false) => {
                event!(
                    tracing::Level::INFO,
                    "the key was replaced, and will be refused when its grace is over"
                );
            }
            // Whatever the mode: the header did nothing. Somebody may be trying to sign in by reflection.
            (DenialCode::HandoffRefused, false) => {
                event!(
                    tracing::Level::WARN,
                    "the hand-off was refused, and the rest of the response went on"
                );
            }
            (_, true) => event!(tracing::Level::WARN, "refused"),
            (_, false) => event!(tracing::Level::INFO, "would be refused in mode `enforce`"),
        }
    }
}

/// Bytes of a stranger: visible ASCII as it is, anything else as `?`, at most 512 of them.
struct Printable<'a>(&'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0.iter().take(512) {
            fmt::Write::write_char(f, if byte.is_ascii_graphic() { char::from(byte) } else { '?' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_cannot_write_lines_into_the_log() {
        assert_eq!(
            Printable(b"/a\r\nINFO all is well\x1b[31m\xff").to_string(),
            "/a??INFO?all?is?well?[31m?"
        );
        assert_eq!(Printable(&[b'a'; 4096]).to_string().len(), 512);
    }
}
