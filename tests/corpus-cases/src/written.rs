//! The format of `tests/corpus/*.toml`, as written.
//!
//! Text that stands for bytes (targets, header values, bodies, `bytes`) is read as Latin-1: each character up
//! to U+00FF is one byte, so `"\u00ff"` is the byte FF. In such text `{a*4000}` stands for `a`, 4000 times.
//!
//! In a request's headers and body, and in what the handler is expected to see of them, `{csrf:session:abc}` stands for
//! the CSRF token of the client with the session cookie `abc`, and `{csrf:presession:…}` for that of the pre-session
//! cookie; `{csrf-previous:…}` was made with the key before the current one, `{csrf-expired:…}` with the one before
//! that, `{csrf-future:…}` with a key whose time has not come. `{api-key}` stands for the one API key that a store may
//! know, with the prefix `acme`, and `{api-key-forged}` for its id with another secret. `{jwt:alice}` stands for Alice's
//! token of the issuer `https://api.example.com` for the audience `api`, with the scopes of `answer`; `{jwt-KIND:alice}` for
//! one that is `expired`, `early`, `forged`, `cut` (without a signature), an `identity` token, `misdirected` (for another
//! audience), `endless`, `unsigned` (`alg` is `none`), `confused` (of another `alg` than its key), of an `unknown` key, of a
//! `stranger`, of the `foreign` issuer `https://login.example.net` (signed with `foreign-secret`: by HS256), or `bare`
//! (without `kid`, `typ`, `iss` and `aud`). In what the client is expected to get, `{token}` stands for a CSRF token and
//! `{id}` for the id of a pre-session, each the same in all places of one text.

use std::{collections::BTreeMap, net::IpAddr};

use bartizan_core::policy::CredentialKind;
use serde::Deserialize;

use crate::{Fault, KeyState, Surface, TokenState};

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The policy of all cases that bring none of their own: the text of a `bartizan.toml`.
    pub policy: Option<String>,
    /// Headers that stand before those of every `head` that is not `bare`.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The cases.
    #[serde(default)]
    pub case: Vec<Case>,
}

/// One `[[case]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, in a sentence; unique in its file.
    pub name: String,
    /// The policy, instead of the file's.
    pub policy: Option<String>,
    /// Denial codes and presets that this case is for: it refuses with the code, or shows what is allowed.
    #[serde(default)]
    pub covers: Vec<String>,
    /// The profile that is chosen.
    pub profile: Option<String>,
    /// The address that the request comes from.
    pub peer: Option<IpAddr>,
    /// How it reaches the listener.
    pub scheme: Option<Scheme>,
    /// The request's head, or
    pub head: Option<Head>,
    /// all its bytes, for a socket.
    pub bytes: Option<String>,
    /// The surfaces that can see it; all where nothing is written.
    pub seen_by: Option<Vec<Surface>>,
    /// Why not all surfaces can.
    pub because: Option<String>,
    /// What the handler or upstream answers.
    #[serde(default)]
    pub response: Response,
    /// What the store answers.
    pub answer: Option<Answer>,
    /// Whether the one-time token was not used before; where nothing is written the store cannot say.
    pub fresh: Option<bool>,
    /// Whether the deployment has keys to make tokens with; it has.
    pub keys: Option<bool>,
    /// What the store answers to whoever takes from a rate limit's bucket, each time the next, the last for good.
    /// Nothing where nothing is written.
    #[serde(default)]
    pub taken: Vec<Taken>,
    /// What must come of it.
    pub expect: Expect,
}

/// How a request reaches the listener.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Plain HTTP, where nothing is written.
    Http,
    /// HTTP over TLS.
    Https,
}

/// `head`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The method; GET.
    pub method: Option<String>,
    /// The target: `/path?query`, `http://host/path`, `*`; `/`.
    pub target: Option<String>,
    /// The headers, in order.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Without the file's headers.
    #[serde(default)]
    pub bare: bool,
    /// So many headers more: `x-filler-0: 1` and so on.
    #[serde(default)]
    pub filler: u32,
    /// The body, which a surface sends with its Content-Length.
    pub body: Option<String>,
}

/// `response`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The status; 200.
    pub status: Option<u16>,
    /// The headers; `content-type: application/json`. `{handoff}` is the nonce that the request carried.
    pub headers: Option<Vec<(String, String)>>,
    /// The body; `{}`.
    pub body: Option<String>,
    /// It does not answer, but fails like this.
    pub fault: Option<Fault>,
}

/// `answer`
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// `"unknown"` or `"unavailable"`.
    Word(AnswerWord),
    /// A principal.
    Principal(PrincipalAnswer),
}

/// An answer that knows nobody.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerWord {
    /// There is no such credential.
    Unknown,
    /// The store cannot be asked.
    Unavailable,
}

/// `answer = { subject = "alice", scopes = ["admin"], kind = "session" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrincipalAnswer {
    /// Who it is.
    pub subject: String,
    /// What they may do.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// What has become of the API key: `expired`, `revoked`, `replaced`, `ended`, `moved`. Nothing where nothing is
    /// written.
    pub key: Option<KeyState>,
    /// What has become of the token: `revoked`, `unsure`, `imported` (its key). Nothing where nothing is written.
    pub token: Option<TokenState>,
    /// The kind of credential that is known; credentials of another kind are unknown.
    pub kind: Option<CredentialKind>,
}

/// `taken = [{ allowed = false, remaining = 0, retry_after = 3, reset_after = 10.5 }]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// Whether there was enough in the bucket.
    pub allowed: bool,
    /// How many are left in it.
    pub remaining: u32,
    /// How long until one more may come, in seconds; 0.
    #[serde(default)]
    pub retry_after: f64,
    /// How long until the bucket is full again, in seconds; 0.
    #[serde(default)]
    pub reset_after: f64,
}

/// `[case.expect]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Whether the client gets the handler's response (`allow`), an answer of Bartizan's (`respond`) or a
    /// refusal (`deny`).
    pub decision: Decision,
    /// The denial code that the client is told.
    pub code: Option<String>,
    /// Whether the handler is reached; for `allow` it is, else it is not. With `deny`, `true` means that the
    /// handler's response was replaced.
    pub handled: Option<bool>,
    /// The status; 200 for `allow`.
    pub status: Option<u16>,
    /// Exact values of response headers: a string for all lines joined by `, `, or a list of the lines.
    #[serde(default)]
    pub headers: BTreeMap<String, Lines>,
    /// Response headers that must not be there.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Members that a list-like response header must have (split at `,` and `;`, any case).
    #[serde(default)]
    pub containing: BTreeMap<String, Vec<String>>,
    /// Names of members that a list-like response header must not have.
    #[serde(default)]
    pub lacking: BTreeMap<String, Vec<String>>,
    /// All the cookies that are set, in order; the order of a cookie's attributes does not matter, and the value `*`
    /// stands for 43 random characters of base64url.
    pub set_cookies: Option<Vec<String>>,
    /// The body.
    pub body: Option<String>,
    /// Texts that the body must not have.
    #[serde(default)]
    pub body_lacks: Vec<String>,
    /// The codes that mode `report` would have refused with, in any order.
    pub reports: Option<Vec<String>>,
    /// The client's address, as the handler is told.
    pub client_ip: Option<IpAddr>,
    /// The pattern of the route.
    pub route: Option<String>,
    /// The principal's subject.
    pub principal: Option<String>,
    /// What the handler sees of the request.
    #[serde(default)]
    pub upstream: Upstream,
}

/// One value, or one per line.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Lines {
    /// All lines joined.
    Joined(String),
    /// The lines.
    Each(Vec<String>),
}

/// `upstream`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Exact values of request headers.
    #[serde(default)]
    pub present: BTreeMap<String, String>,
    /// Request headers that must not arrive.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Texts that no request header of this name may have.
    #[serde(default)]
    pub without: BTreeMap<String, String>,
    /// The target, byte for byte.
    pub target: Option<String>,
    /// The body, byte for byte.
    pub body: Option<String>,
}

/// The direction of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The handler answers.
    Allow,
    /// Bartizan answers.
    Respond,
    /// Bartizan refuses.
    Deny,
}
