//! The CSRF token: `kid.rand.mac`, an HMAC (RFC 2104) over whose it is, that nobody can make without our keys and nobody
//! can use in another's browser (OWASP's signed double submit, ASVS 3.5.1). Nothing is stored for it.
//!
//! It is bound to the session's cookie, or before login to an anonymous *pre-session*: a random id in a cookie of its
//! own. Login and logout change the cookie, and with it every token. Whether the session is alive is no matter of the
//! token: who holds a dead one holds nothing that a stranger could not have.

use alloc::{boxed::Box, format, string::String};
use core::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::{
    Entropy, Timestamp, TokenDigest,
    keys::{Keys, PERIOD},
    session::SessionKey,
};

/// What keys are derived for, and what the MAC says that it is about.
const PURPOSE: &str = "csrf";

/// How far the clock of the node that made a token may be ahead of ours: as much as JWTs are given. It matters where a
/// key's period begins.
const SKEW: Duration = Duration::from_mins(1);

/// Random bits of a token: 128.
const RAND_BYTES: usize = 16;
const MAC_BYTES: usize = 32;

/// Whose a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The client with this session's cookie.
    Session(SessionKey),
    /// The client with the pre-session of this SHA-256.
    PreSession([u8; 32]),
}

impl Binding {
    /// The client with this pre-session cookie, if its value is one that we could have made.
    pub fn pre_session(cookie: &[u8]) -> Option<Self> {
        decode::<32>(cookie).map(|_| Self::PreSession(Sha256::digest(cookie).into()))
    }

    /// Its kind and its hash: two kinds never look the same.
    const fn parts(&self) -> (&'static [u8], &[u8; 32]) {
        match self {
            Self::Session(key) => (b"session", key.as_bytes()),
            Self::PreSession(hash) => (b"pre-session", hash),
        }
    }
}

/// The id of a pre-session: 256 random bits, written as 43 characters of base64url. It is kept by its client alone, so
/// that no flood of them fills anything. It has no way to be shown but [`expose`](Self::expose).
#[derive(Clone)]
pub struct PreSession(Zeroizing<String>);

impl PreSession {
    /// A fresh one.
    pub fn new(entropy: &mut impl Entropy) -> Self {
        let mut bits = Zeroizing::new([0; 32]);
        entropy.fill(bits.as_mut());
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bits)))
    }

    /// The text that goes into the cookie.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What its tokens are bound to.
    pub fn binding(&self) -> Binding {
        Binding::PreSession(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for PreSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreSession([redacted])")
    }
}

/// A token that was made for a response.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuedToken {
    /// The token: for a form's hidden field, or for a script to send as `X-CSRF-Token`.
    pub token: String,
    /// The `Set-Cookie` of the pre-session that it is bound to, where the client has none yet. Without it the token is
    /// worth nothing.
    pub set_cookie: Option<Box<[u8]>>,
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IssuedToken([redacted])")
    }
}

/// Makes a token for the client of `binding`, a fresh one each time, so that no compressed response gives it away
/// (BREACH). There always is one: deriving a key does not fail.
///
/// ```
/// use bartizan_core::{Entropy, Timestamp, csrf_token::{mint, verify, Binding}, keys::Keys, session::SessionKey};
/// # struct Fixed;
/// # impl Entropy for Fixed { fn fill(&mut self, bytes: &mut [u8]) { bytes.fill(7) } }
/// let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
/// let (mine, now) = (Binding::Session(SessionKey::of(b"my cookie")), Timestamp(1_700_000_000_000));
/// let token = mint(&keys, &mine, now, &mut Fixed).unwrap();
/// assert!(token.starts_with("655.BwcHBwcHBwcHBwcHBwcHBw."));
/// assert!(verify(&keys, &mine, token.as_bytes(), now).is_ok());
/// let another = Binding::Session(SessionKey::of(b"another's cookie"));
/// assert!(verify(&keys, &another, token.as_bytes(), now).is_err());
/// ```
pub fn mint(keys: &Keys, binding: &Binding, now: Timestamp, entropy: &mut impl Entropy) -> Option<String> {
    let period = Keys::period(now);
    let key = keys.derive(PURPOSE, period)?;
    let mut rand = [0; RAND_BYTES];
    entropy.fill(&mut rand);
    let mac = mac(&*key, binding, &rand)?;
    Some(format!("{period}.{}.{}", URL_SAFE_NO_PAD.encode(rand), URL_SAFE_NO_PAD.encode(mac)))
}

/// A token that is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// What a store knows it by.
    pub digest: TokenDigest,
    /// When it will be refused for its age.
    pub until: Timestamp,
}

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is not `kid.rand.mac` as we write it.
    #[error("it is not a token of ours")]
    Malformed,
    /// Its key is older than the one before the current one, or of a time that has not come.
    #[error("its key is not in use any more, or not yet; a new token is to be had")]
    Period,
    /// It was made for another client, or by nobody with our keys.
    #[error("it is not of this client's session or pre-session")]
    Mac,
}

/// Whether `token` was made for the client of `binding`, by one of `keys`, with the current key or the one before it.
///
/// A token lives as long as its key is accepted: 30 to 60 days. It takes the same time whatever is wrong with the MAC.
///
/// # Errors
///
/// Says why it is not good.
pub fn verify(keys: &Keys, binding: &Binding, token: &[u8], now: Timestamp) -> Result<Proven, TokenFault> {
    let parts = Parts::parse(token).ok_or(TokenFault::Malformed)?;
    // The key of the period before has its grace. One that a clock ahead of ours made may come a little early.
    let (current, newest) = (Keys::period(now), Keys::period(now.after(SKEW)));
    if parts.period.saturating_add(1) < current || parts.period > newest {
        return Err(TokenFault::Period);
    }
    let mut is_ours = Choice::from(0);
    for key in keys.derive_all(PURPOSE, parts.period) {
        if let Some(mac) = mac(&*key, binding, &parts.rand) {
            is_ours |= mac.ct_eq(&parts.mac);
        }
    }
    if !bool::from(is_ours) {
        return Err(TokenFault::Mac);
    }
    Ok(Proven { digest: TokenDigest(Sha256::digest(token).into()), until: end_of_grace(parts.period) })
}

/// Whether `text` has the form of a token, whoever made it.
pub(crate) fn is_shaped(text: &[u8]) -> bool {
    Parts::parse(text).is_some()
}

/// When the key of the period after `period` is followed by the next.
fn end_of_grace(period: u64) -> Timestamp {
    let length = u64::try_from(PERIOD.as_millis()).unwrap_or(u64::MAX);
    Timestamp(period.saturating_add(2).saturating_mul(length))
}

/// Each part with its length before it, so that no two lists of parts are the same bytes.
fn mac(key: &[u8], binding: &Binding, rand: &[u8; RAND_BYTES]) -> Option<[u8; MAC_BYTES]> {
    let (kind, hash) = binding.parts();
    // A key of any length will do (RFC 2104 §2), so there always is a MAC.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in [kind, hash, PURPOSE.as_bytes(), rand] {
        mac.update(&u64::try_from(part.len()).ok()?.to_be_bytes());
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().into())
}

/// A token's parts. There is one way to write each.
struct Parts {
    period: u64,
    rand: [u8; RAND_BYTES],
    mac: [u8; MAC_BYTES],
}

impl Parts {
    fn parse(token: &[u8]) -> Option<Self> {
        let mut parts = token.split(|&byte| byte == b'.');
        let (period, rand, mac) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        Some(Self { period: number(period)?, rand: decode(rand)?, mac: decode(mac)? })
    }
}

/// Decimal digits without a sign or a leading zero.
fn number(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) || (digits.len() > 1 && digits.starts_with(b"0")) {
        return None;
    }
    core::str::from_utf8(digits).ok()?.parse().ok()
}

/// Exactly `N` bytes of base64url without padding, whose unused bits are zero (RFC 4648 §3.5).
fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    // The decoder counts whole quanta: room for one more than there may be.
    let mut bytes = Zeroizing::new([0; 48]);
    if text.len() != base64::encoded_len(N, false)? {
        return None;
    }
    let length = URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut()).ok()?;
    bytes.get(..length)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const ONE: &[u8] = b"0123456789abcdef0123456789abcdef";
    const TWO: &[u8] = b"fedcba9876543210fedcba9876543210";
    const DAY: u64 = 24 * 3600 * 1000;
    const NOW: Timestamp = Timestamp(700 * 30 * DAY + 10 * DAY);

    struct Counting(u8);

    impl Entropy for Counting {
        fn fill(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.0;
                self.0 = self.0.wrapping_add(1);
            }
        }
    }

    fn keys(secrets: &[&[u8]]) -> Keys {
        Keys::new(secrets).unwrap()
    }

    fn session() -> Binding {
        Binding::Session(SessionKey::of(b"alice's cookie"))
    }

    fn token_at(now: Timestamp) -> String {
        mint(&keys(&[ONE]), &session(), now, &mut Counting(0)).unwrap()
    }

    #[test]
    fn a_token_is_good_for_its_client_alone() {
        let keys = keys(&[ONE]);
        let browser = PreSession::new(&mut Counting(9));
        let same_hash = Binding::PreSession(*SessionKey::of(b"alice's cookie").as_bytes());
        let owners = [
            session(),
            Binding::Session(SessionKey::of(b"bob's cookie")),
            same_hash,
            browser.binding(),
            PreSession::new(&mut Counting(8)).binding(),
        ];
        for (made_for, owner) in owners.iter().enumerate() {
            let token = mint(&keys, owner, NOW, &mut Counting(0)).unwrap();
            for (used_by, user) in owners.iter().enumerate() {
                let verified = verify(&keys, user, token.as_bytes(), NOW).map(|_| ());
                let expected = if made_for == used_by { Ok(()) } else { Err(TokenFault::Mac) };
                assert_eq!(verified, expected, "{made_for} {used_by}");
            }
        }
        assert_eq!(Binding::pre_session(browser.expose().as_bytes()), Some(browser.binding()));
    }

    #[test]
    fn each_token_is_another_and_known_by_another_digest() {
        let (keys, mut entropy) = (keys(&[ONE]), Counting(0));
        let mut next = || mint(&keys, &session(), NOW, &mut entropy).unwrap();
        let (one, two) = (next(), next());
        assert_ne!(one, two);
        let digest = |token: &str| verify(&keys, &session(), token.as_bytes(), NOW).unwrap().digest;
        assert_ne!(digest(&one), digest(&two));
        assert_eq!(digest(&one), digest(&one));
        assert_eq!(digest(&one).0, <[u8; 32]>::from(Sha256::digest(one.as_bytes())));
    }

    #[test]
    fn the_key_of_the_period_before_has_its_grace_and_no_more() {
        let (begins, ends) = (Timestamp(700 * 30 * DAY), Timestamp(702 * 30 * DAY));
        let token = token_at(NOW);
        let at = |now| verify(&keys(&[ONE]), &session(), token.as_bytes(), now).map(|proven| proven.until);
        assert_eq!(
            verify(&keys(&[ONE]), &session(), token_at(Timestamp(0)).as_bytes(), Timestamp(0))
                .map(|proven| proven.until),
            Ok(Timestamp(60 * DAY)),
            "the first period of all"
        );
        for (now, expected) in [
            (begins, Ok(ends)),
            (NOW, Ok(ends)),
            (Timestamp(701 * 30 * DAY), Ok(ends)),
            (Timestamp(ends.0 - 1), Ok(ends)),
            (ends, Err(TokenFault::Period)),
            (Timestamp(u64::MAX), Err(TokenFault::Period)),
            // A clock that is ahead by a minute may have made it; by more, none.
            (Timestamp(begins.0 - 60_000), Ok(ends)),
            (Timestamp(begins.0 - 60_001), Err(TokenFault::Period)),
            (Timestamp(0), Err(TokenFault::Period)),
        ] {
            assert_eq!(at(now), expected, "{now:?}");
        }
    }

    #[test]
    fn tokens_of_every_master_key_are_accepted_and_the_first_makes_them() {
        let (old, both, new) = (keys(&[ONE]), keys(&[TWO, ONE]), keys(&[TWO]));
        let verified = |keys: &Keys, token: &str| verify(keys, &session(), token.as_bytes(), NOW).map(|_| ());
        let made = |keys: &Keys| mint(keys, &session(), NOW, &mut Counting(0)).unwrap();
        assert_eq!(made(&both), made(&new));
        assert_eq!(verified(&both, &made(&old)), Ok(()));
        assert_eq!(verified(&new, &made(&old)), Err(TokenFault::Mac));
        assert_eq!(verified(&old, &made(&new)), Err(TokenFault::Mac));
        // Two that are the same are as good as one.
        assert_eq!(verified(&keys(&[ONE, ONE]), &made(&old)), Ok(()));
    }

    #[test]
    fn there_is_one_way_to_write_a_token() {
        let token = token_at(NOW);
        let [kid, rand, mac] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
        for text in [
            String::new(),
            "..".into(),
            format!(".{rand}.{mac}"),
            format!("{kid}.{rand}"),
            format!("{kid}.{rand}."),
            format!("{kid}..{mac}"),
            format!("{kid}.{rand}.{mac}."),
            format!("{kid}.{rand}.{mac}.x"),
            format!("0{kid}.{rand}.{mac}"),
            format!("+{kid}.{rand}.{mac}"),
            format!(" {token}"),
            format!("{token} "),
            format!("{token}\n"),
            format!("{kid}.{rand}==.{mac}"),
            format!("{kid}.{rand}.{mac}="),
            format!("{kid}.{rand}A.{mac}"),
            format!("{kid}.{}.{mac}", &rand[1..]),
            format!("{kid}.{rand}.{}", &mac[1..]),
            // Bits that nobody reads, set.
            format!("{kid}.{}x.{mac}", &rand[..21]),
            format!("99999999999999999999.{rand}.{mac}"),
            "7".repeat(100_000),
            "\u{ff}".repeat(30),
        ] {
            assert!(!is_shaped(text.as_bytes()), "{text}");
            let verified = verify(&keys(&[ONE]), &session(), text.as_bytes(), NOW);
            assert_eq!(verified, Err(TokenFault::Malformed), "{text}");
        }
        assert!(is_shaped(token.as_bytes()));
        assert!(is_shaped(format!("{}.{rand}.{mac}", u64::MAX).as_bytes()));
    }

    #[test]
    fn a_pre_session_is_43_characters_and_shown_to_nobody() {
        let browser = PreSession::new(&mut Counting(0));
        assert_eq!(browser.expose(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        assert_eq!(format!("{browser:?}"), "PreSession([redacted])");
        let issued = IssuedToken { token: token_at(NOW), set_cookie: None };
        assert_eq!(format!("{issued:?}"), "IssuedToken([redacted])");
        for cookie in ["", "AAEC", &"A".repeat(42), &"A".repeat(44), &"=".repeat(43), &"B".repeat(43)] {
            assert_eq!(Binding::pre_session(cookie.as_bytes()), None, "{cookie}");
        }
    }

    #[test]
    fn a_token_with_any_byte_changed_is_refused() {
        let token = token_at(NOW).into_bytes();
        for at in 0..token.len() {
            for byte in 0..=u8::MAX {
                let mut tampered = token.clone();
                tampered[at] = byte;
                let verified = verify(&keys(&[ONE]), &session(), &tampered, NOW);
                assert_eq!(verified.is_ok(), tampered == token, "{byte} at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_pass(token in proptest::collection::vec(any::<u8>(), 0..200), now: u64) {
            prop_assert!(verify(&keys(&[ONE]), &session(), &token, Timestamp(now)).is_err());
        }

        #[test]
        fn no_near_miss_passes(
            period in "[0-9]{1,21}",
            rand in "[A-Za-z0-9_-]{21,23}",
            mac in "[A-Za-z0-9_-]{42,44}",
            now: u64,
        ) {
            let token = format!("{period}.{rand}.{mac}");
            prop_assert!(verify(&keys(&[ONE]), &session(), token.as_bytes(), Timestamp(now)).is_err());
        }

        #[test]
        fn what_was_minted_is_good_until_it_says(now in 0..u64::MAX / 2, seed: u8) {
            let keys = keys(&[ONE]);
            let token = mint(&keys, &session(), Timestamp(now), &mut Counting(seed)).unwrap();
            let proven = verify(&keys, &session(), token.as_bytes(), Timestamp(now)).unwrap();
            prop_assert!(proven.until.0 > now);
            let late = |now| verify(&keys, &session(), token.as_bytes(), Timestamp(now)).is_err();
            prop_assert!(!late(proven.until.0 - 1) && late(proven.until.0));
        }
    }
}
