//! What the engine decides about a request.

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::{
    Engine, Entropy, Reason, Reply, Scheme, Timestamp,
    api_key::{ApiKeyRecord, KeyId, UsedKey},
    controls::{cors::Sharing, rate_limit::Counts},
    engine::Handoff,
    jwt::{Algorithm, IssuerId, VerifyingKey},
    keys::Keys,
    limit::{LimitKey, Quota, Taken},
    login::LoginTurn,
    policy::{CredentialKind, LimitStore},
    session::{Ending, NewSession, Renewal, SessionKey, SessionRecord},
};

/// The engine's answer to a request's head.
#[derive(Debug)]
pub enum Decision {
    /// The request goes on to the handler, with what the grant says.
    Allow(Grant),
    /// Bartizan answers itself: a preflight, a health check, a redirect to https.
    Respond(Reply),
    /// The request is refused.
    Deny(Denial),
}

/// A refusal: why, and the finished response that says so.
#[derive(Clone, Debug)]
pub struct Denial {
    pub(crate) reason: Reason,
    pub(crate) request_id: RequestId,
    pub(crate) reply: Reply,
}

impl Denial {
    /// Why.
    pub const fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The id that the client was told, to be found in the log.
    pub const fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// What the client gets.
    pub const fn reply(&self) -> &Reply {
        &self.reply
    }

    /// What the client gets, owned.
    pub fn into_reply(self) -> Reply {
        self.reply
    }
}

/// 64 random bits that name a refusal to the client and in the log, written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(pub u64);

impl RequestId {
    /// The digits, in ASCII.
    pub(crate) fn digits(self) -> [u8; 16] {
        let mut digits = [0; 16];
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            let nibble = (self.0 >> (4 * place)).to_le_bytes()[0] & 15;
            *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        }
        digits
    }
}

impl core::fmt::Display for RequestId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(core::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

/// A step of an [`Evaluation`](crate::Evaluation).
#[derive(Debug)]
pub enum Step {
    /// The engine asks; answer with [`supply`](crate::Evaluation::supply).
    Need(Query),
    /// The engine needs a form field of the body: buffer at most `limit` bytes of it, answer with
    /// [`supply_form`](crate::Evaluation::supply_form), and replay them to the handler byte for byte.
    NeedForm {
        /// In bytes.
        limit: usize,
    },
    /// It has decided.
    Done(Decision),
}

/// What the engine asks of what stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Query {
    /// Which key has this name? Answered by [`Answer::TokenKey`], or [`Answer::Unknown`] where the issuer has none in use.
    /// Nothing of the question was verified: anybody may have written it.
    TokenKey {
        /// Whose key: see [`Engine::issuers`].
        issuer: IssuerId,
        /// Its name, 1 to 128 printable ASCII characters, to the letter. `None` is asked of our own keys alone: an
        /// imported one may have [tokens that do not name it](VerifyingKey::with_legacy_tokens).
        kid: Option<Box<str>>,
        /// What the token says that it was signed with. A key is for one algorithm, whatever is asked.
        algorithm: Algorithm,
        /// The time.
        now: Timestamp,
    },
    /// Was this token of ours revoked, or all that its key signed, or all that its subject had until it was issued? It is
    /// genuine, and its time is not over. Answered by [`Answer::Revoked`].
    Revocation {
        /// Which token, where it has a name ([`TokenDigest::of_jti`]).
        jti: Option<TokenDigest>,
        /// Which key signed it ([`TokenDigest::of_kid`]), where whoever gave the key
        /// [said so](VerifyingKey::revocable_as). On the heap, so that a step is no larger for it.
        key: Option<Box<TokenDigest>>,
        /// Whose it is.
        subject: Box<str>,
        /// When it was issued. One that does not say it is older than any revocation of its subject's.
        issued: Option<Timestamp>,
        /// The time.
        now: Timestamp,
    },
    /// What is kept of this API key? Answered by [`Answer::ApiKey`], whether it has ended or not, or
    /// [`Answer::Unknown`] where there is none. A record that is [stale](ApiKeyRecord::is_stale) is touched in the same
    /// step. Whether the client has the secret too is for the engine to find out.
    ApiKey {
        /// Which.
        id: KeyId,
        /// The time.
        now: Timestamp,
    },
    /// Which public keys of the ring are to be published now? Answered by [`Answer::PublicKeys`], also where there are none.
    PublicKeys {
        /// The time.
        now: Timestamp,
    },
    /// Which session is this? Answered by [`Answer::Session`], or [`Answer::Unknown`] where there is none that is alive.
    /// A session that is [stale](SessionRecord::is_stale) is touched in the same step.
    Session {
        /// Its key.
        key: SessionKey,
        /// The time.
        now: Timestamp,
    },
    /// Begin a session. Answered by [`Answer::Done`] when it is kept for good.
    Begin(Box<NewSession>),
    /// Give a session a new id. Answered by [`Answer::Done`] when that is kept for good, or [`Answer::Unknown`] where the
    /// session is not alive: then nothing has changed.
    Renew(Box<Renewal>),
    /// End sessions. Answered by [`Answer::Done`], also where there were none.
    End(Ending),
    /// Was this one-time token not used before? It is used from now on. Answered by [`Answer::Fresh`].
    Consume {
        /// Which.
        token: TokenDigest,
        /// When it would be refused for its age, so that it can be forgotten.
        until: Timestamp,
        /// The time.
        now: Timestamp,
    },
    /// Take from a bucket. Answered by [`Answer::Taken`].
    Take {
        /// Which bucket.
        key: LimitKey,
        /// How large it is.
        quota: Quota,
        /// How much; zero only looks.
        cost: u32,
        /// Who counts.
        store: LimitStore,
        /// The time.
        now: Timestamp,
    },
}

/// What a store knows a token by: a SHA-256 of a one-time token, or of a token's `jti`; or all tokens of a key, by its `kid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenDigest(pub [u8; 32]);

impl TokenDigest {
    /// Of a token by its `jti` (RFC 7519 §4.1.7).
    pub fn of_jti(jti: &str) -> Self {
        Self(Sha256::digest(jti.as_bytes()).into())
    }

    /// Of all tokens that the key of this name signed (RFC 7515 §4.1.4). It is that of no `jti`, whatever the names are.
    pub fn of_kid(kid: &str) -> Self {
        // No text begins with this byte.
        Self(Sha256::new().chain_update([0xff]).chain_update(kid.as_bytes()).finalize().into())
    }
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// This is the key.
    TokenKey(VerifyingKey),
    /// Whether a token was revoked.
    Revoked(bool),
    /// These are the public keys, each a JWK (RFC 7517 §4) without anything private.
    PublicKeys(Vec<Box<str>>),
    /// The session is alive, and this is what is known of it.
    Session(SessionRecord),
    /// This is kept of the API key.
    ApiKey(Box<ApiKeyRecord>),
    /// It was done.
    Done,
    /// Whether a one-time token was used for the first time.
    Fresh(bool),
    /// What came of taking from a bucket.
    Taken(Taken),
    /// There is no such credential, or not any more.
    Unknown,
    /// Whoever should know cannot be asked now; the request is refused with `store.unavailable`.
    Unavailable,
}

/// Who makes a request, after the credential was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The subject, as the credential names it.
    pub subject: Box<str>,
    /// Who says so, where it was not us: the `iss` of a token of a [trusted issuer](crate::policy::TrustedIssuerConfig). The
    /// same subject of two issuers is two principals.
    pub issuer: Option<Box<str>>,
    /// What kind of credential it was.
    pub kind: CredentialKind,
    /// The scopes that come with it.
    pub scopes: Vec<Box<str>>,
}

/// A request that may go on to its handler, and what goes with it.
///
/// Only the engine makes one; it keeps the engine that decided, so that a reload never mixes two policies in
/// one request.
#[derive(Debug)]
pub struct Grant {
    pub(crate) engine: Engine,
    pub(crate) context: Context,
    pub(crate) verified: Option<Box<Verified>>,
}

/// Who asks, and the credential that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) principal: Arc<Principal>,
    /// From when on the credential is refused, as far as it says so itself. `None` is never.
    pub(crate) ends: Option<Timestamp>,
    pub(crate) session: Option<SessionKey>,
    /// Of a token.
    pub(crate) claims: Option<Box<[u8]>>,
}

/// What is known of a request once it was judged; plain data, which the response side reads.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The number of the route, from 1; 0 is `[default]`.
    pub(crate) route: u16,
    pub(crate) client_ip: Option<IpAddr>,
    pub(crate) scheme: Scheme,
    pub(crate) sharing: Sharing,
    pub(crate) nonce: Option<Nonce>,
    /// Whether a person would see a refusal.
    pub(crate) is_navigation: bool,
    /// Whether CSRF read `Sec-Fetch-Site`.
    pub(crate) read_fetch_site: bool,
    /// Whether isolation, enforced, read `Sec-Fetch-Site`.
    pub(crate) isolation_read: bool,
    pub(crate) isolation_suspect: bool,
    pub(crate) is_websocket: bool,
    /// `cross_site = "anonymous"`: the request comes in without identity.
    pub(crate) is_anonymous: bool,
    /// The response is for this client alone, whatever its headers say.
    pub(crate) is_personal: bool,
    pub(crate) edits: Edits,
    /// What few requests have. A context is moved from hand to hand; on the heap this weighs one pointer.
    pub(crate) seldom: Option<Box<Seldom>>,
}

/// What few requests have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seldom {
    /// The host that a trusted proxy was asked for, where it says one.
    pub(crate) forwarded_host: Option<Box<[u8]>>,
    /// What `Connection` names beyond the usual.
    pub(crate) connection: Vec<Box<[u8]>>,
    /// What mode `report` would have refused.
    pub(crate) reports: Vec<Reason>,
    /// What came of counting the request against the rate limits.
    pub(crate) counts: Counts,
    /// What is being asked about the logins that have failed.
    pub(crate) logins: Option<Box<LoginTurn>>,
    /// The refusal of a request that is still being charged for it.
    pub(crate) refusal: Option<Reason>,
    /// The API key that the request came with.
    pub(crate) api_key: Option<UsedKey>,
    /// Whether a token that was verified is the credential.
    pub(crate) is_token: bool,
    /// Whether the upstream may begin or end sessions, and with what.
    pub(crate) handoff: Option<Handoff>,
    /// Whose CSRF tokens a handler can have made.
    pub(crate) client: crate::engine::Client,
}

/// What is to be done to the request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Edits {
    /// Whether anything is.
    pub(crate) any: bool,
    pub(crate) authorization: bool,
    pub(crate) api_key: bool,
    pub(crate) upgrade: bool,
    /// A CSRF token of ours, in the header for it.
    pub(crate) csrf_token: bool,
    /// Our cookies go.
    pub(crate) own_cookies: bool,
    /// One of them belongs to CSRF tokens.
    pub(crate) token_cookies: bool,
    /// The upstream's login cookies go too.
    pub(crate) ambient_cookies: bool,
}

/// 128 random bits in base64, which fit `'nonce-…'` (CSP3 §2.3.1) and an HTML attribute as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nonce([u8; 22]);

impl Nonce {
    pub(crate) fn new(entropy: &mut impl Entropy) -> Self {
        let mut bits = [0; 16];
        entropy.fill(&mut bits);
        let mut text = [b'A'; 22];
        // 22 characters without padding are exactly what 16 bytes take, so this cannot fail.
        let _ = STANDARD_NO_PAD.encode_slice(bits, &mut text);
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// What becomes of a `Cookie` header line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CookieEdit {
    /// It passes as it is.
    Keep,
    /// Nothing of it is left.
    Drop,
    /// It passes with this value.
    Replace(Vec<u8>),
}

/// A form field, or that there was none: the answer to [`Step::NeedForm`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// The buffered prefix of the body.
    pub body: Vec<u8>,
    /// Whether the body went on beyond `limit`.
    pub truncated: bool,
}

/// Where a policy is used: what the surface knows and the policy cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployment {
    /// The address that is listened on, if this surface listens.
    pub listen: Option<core::net::SocketAddr>,
    /// Whether the listener speaks TLS itself.
    pub tls: bool,
    /// Whether the development profile was chosen: hints reach the client, http origins are allowed.
    pub development: bool,
    /// The keys that [CSRF tokens](crate::csrf_token) are made with, and that [API keys](crate::api_key) are kept by.
    /// Without any, no token can be had, and what requires one is refused; a policy with `[api_keys]` is an error.
    pub keys: Option<Keys>,
    /// The public keys that the surface signs assertions with, each a JWK (RFC 7517 §4). They are answered at
    /// [`JWKS_PATH`], with those of the key ring where the policy has `[jwt]`.
    pub public_keys: Vec<Box<str>>,
}

/// Where the public keys are: [RFC 8615] `/.well-known/jwks.json`.
///
/// [RFC 8615]: https://www.rfc-editor.org/rfc/rfc8615
pub const JWKS_PATH: &str = "/.well-known/jwks.json";

/// Something in the policy that works and is probably not meant; `bartizan check` shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where: `origin.trusted[1]`.
    pub path: String,
    /// What, and what to do.
    pub message: String,
}
