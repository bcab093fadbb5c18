//! What an issuer's tokens must be like (RFC 8725 §3.8–3.12, RFC 9068 §4).

use alloc::{boxed::Box, vec, vec::Vec};
use core::time::Duration;

use super::{Algorithm, ClaimFault, TokenError, VerifyingKey, claims::Claims, jws::is_media_type};
use crate::Timestamp;

/// How far two clocks may be apart: 60 s.
pub const LEEWAY: Duration = Duration::from_mins(1);

/// The `typ` of an access token (RFC 9068 §2.1).
pub const ACCESS_TOKEN: &str = "at+jwt";

/// What one issuer's tokens must be like to be accepted here: one set of rules for each issuer, so that none can speak
/// for another.
///
/// ```
/// use bartizan_core::jwt::{Algorithm, Rules};
/// let mut rules = Rules::new("https://login.example.com", "https://api.example.com");
/// assert_eq!(rules.types, ["at+jwt".into()]);
/// // An issuer that writes `JWT` into its access tokens, and signs with RSA alone.
/// rules.types = vec!["JWT".into()];
/// rules.algorithms = vec![Algorithm::Rs256];
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// The `iss`, to the letter.
    pub issuer: Box<str>,
    /// Of these one must be in `aud`. With none, no token is accepted.
    pub audiences: Vec<Box<str>>,
    /// What the issuer may sign with; each key has its own algorithm besides.
    pub algorithms: Vec<Algorithm>,
    /// What `typ` may be: `at+jwt` is `application/at+jwt` too, and case does not matter. Where `JWT` is among them, an
    /// identity token is told from an access token by its audience alone.
    pub types: Vec<Box<str>>,
    /// How far the issuer's clock and ours may be apart.
    pub leeway: Duration,
    /// How much further than that `nbf` and `iat` may lie ahead. Our own tokens are issued by one node and come to another,
    /// both of whose clocks may be off; of another issuer nothing but the leeway is known, and this is zero.
    pub skew: Duration,
}

impl Rules {
    /// The rules of our own issuer: `at+jwt`, any of our algorithms, [`LEEWAY`].
    pub fn new(issuer: impl Into<Box<str>>, audience: impl Into<Box<str>>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: vec![audience.into()],
            algorithms: Algorithm::ALL.into(),
            types: vec![ACCESS_TOKEN.into()],
            leeway: LEEWAY,
            skew: Duration::ZERO,
        }
    }

    /// RFC 8725 §3.11: what kind of token it is.
    pub(super) fn check_type(&self, typ: Option<&str>, key: &VerifyingKey) -> Result<(), TokenError> {
        let is_accepted = match typ {
            Some(typ) => {
                self.types.iter().any(|accepted| is_media_type(typ, accepted))
                    || key.is_legacy() && is_media_type(typ, "JWT")
            }
            None => key.is_legacy(),
        };
        is_accepted.then_some(()).ok_or(TokenError::Type)
    }

    /// RFC 8725 §3.8: whose it is.
    pub(super) fn check_issuer(&self, claims: &Claims, key: &VerifyingKey) -> Result<(), TokenError> {
        let is_expected = claims.issuer.as_ref().map_or(key.is_legacy(), |issuer| *issuer == self.issuer);
        is_expected.then_some(()).ok_or(TokenError::Issuer)
    }

    /// RFC 8725 §3.9: whom it is for.
    pub(super) fn check_audience(&self, claims: &Claims, key: &VerifyingKey) -> Result<(), TokenError> {
        let is_ours = claims.audiences.as_ref().map_or(key.is_legacy(), |audiences| {
            audiences.iter().any(|audience| self.audiences.contains(audience))
        });
        is_ours.then_some(()).ok_or(TokenError::Audience)
    }

    /// When it may be used; the answer is when its time ends, without the leeway.
    pub(super) fn check_times(&self, claims: &Claims, now: Timestamp) -> Result<Timestamp, TokenError> {
        let expires = claims.expires.ok_or(ClaimFault::Missing("exp"))?;
        // On the millisecond of `exp` it is over (RFC 7519 §4.1.4).
        if now >= expires.after(self.leeway) {
            return Err(TokenError::Expired(now.since(expires)));
        }
        // One that was issued in the future comes from a wrong clock, or from nobody's.
        let latest = now.after(self.leeway).after(self.skew);
        for from in [claims.not_before, claims.issued].into_iter().flatten() {
            if latest < from {
                return Err(TokenError::NotYetValid(from.since(now)));
            }
        }
        Ok(expires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::VerifySignature;
    use alloc::sync::Arc;
    use proptest::prelude::*;

    struct Never;

    impl VerifySignature for Never {
        fn verify(&self, _: &[u8], _: &[u8]) -> bool {
            false
        }
    }

    fn rules() -> Rules {
        Rules::new("https://a.example.com", "api")
    }

    fn keys() -> [VerifyingKey; 2] {
        let key = VerifyingKey::new(Algorithm::EdDsa, Arc::new(Never));
        [key.clone(), key.with_legacy_tokens()]
    }

    #[test]
    fn a_type_is_an_access_tokens() {
        for (typ, [ours, legacy]) in [
            (Some("at+jwt"), [true, true]),
            (Some("AT+JWT"), [true, true]),
            (Some("application/at+jwt"), [true, true]),
            (Some("Application/At+Jwt"), [true, true]),
            (Some("JWT"), [false, true]),
            (Some("jwt"), [false, true]),
            (None, [false, true]),
            (Some(""), [false, false]),
            (Some("at+jwt "), [false, false]),
            (Some("application/application/at+jwt"), [false, false]),
            (Some("text/at+jwt"), [false, false]),
            (Some("bartizan-assertion+jwt"), [false, false]),
            (Some("logout+jwt"), [false, false]),
            (Some("dpop+jwt"), [false, false]),
        ] {
            for (key, good) in keys().iter().zip([ours, legacy]) {
                let expected = if good { Ok(()) } else { Err(TokenError::Type) };
                assert_eq!(rules().check_type(typ, key), expected, "{typ:?} {key:?}");
            }
        }
    }

    #[test]
    fn an_issuer_is_compared_to_the_letter() {
        for (issuer, [ours, legacy]) in [
            (Some("https://a.example.com"), [true, true]),
            (Some("https://a.example.com/"), [false, false]),
            (Some("HTTPS://a.example.com"), [false, false]),
            (Some("https://a.example.com.evil.example"), [false, false]),
            (None, [false, true]),
        ] {
            for (key, good) in keys().iter().zip([ours, legacy]) {
                let claims = Claims { issuer: issuer.map(Into::into), ..Claims::default() };
                let expected = if good { Ok(()) } else { Err(TokenError::Issuer) };
                assert_eq!(rules().check_issuer(&claims, key), expected, "{issuer:?} {key:?}");
            }
        }
    }

    #[test]
    fn one_audience_is_ours() {
        for (audiences, [ours, legacy]) in [
            (Some(&["api"][..]), [true, true]),
            (Some(&["other", "api"]), [true, true]),
            (Some(&["other"]), [false, false]),
            (Some(&["API"]), [false, false]),
            (Some(&[]), [false, false]),
            (None, [false, true]),
        ] {
            let of = |texts: &[&str]| texts.iter().map(|&text| text.into()).collect();
            let claims = Claims { audiences: audiences.map(of), ..Claims::default() };
            for (key, good) in keys().iter().zip([ours, legacy]) {
                let expected = if good { Ok(()) } else { Err(TokenError::Audience) };
                assert_eq!(rules().check_audience(&claims, key), expected, "{audiences:?} {key:?}");
            }
            let nobody = Rules { audiences: vec![], ..rules() };
            assert_eq!(nobody.check_audience(&claims, &keys()[0]), Err(TokenError::Audience));
        }
    }

    #[test]
    fn the_times_decide_in_their_order() {
        let at = |seconds: u64| Some(Timestamp(seconds * 1000));
        let late = |seconds| Err(TokenError::Expired(Duration::from_secs(seconds)));
        let early = |seconds| Err(TokenError::NotYetValid(Duration::from_secs(seconds)));
        for (expires, not_before, issued, expected) in [
            (at(1000), None, None, Ok(Timestamp(1_000_000))),
            (at(1000), at(900), at(900), Ok(Timestamp(1_000_000))),
            (at(941), None, None, Ok(Timestamp(941_000))),
            (at(940), None, None, late(60)),
            (at(0), at(0), at(0), late(1000)),
            (None, None, None, Err(ClaimFault::Missing("exp").into())),
            (None, at(2000), at(2000), Err(ClaimFault::Missing("exp").into())),
            (at(2000), at(1060), at(1060), Ok(Timestamp(2_000_000))),
            (at(2000), at(1061), None, early(61)),
            (at(2000), None, at(1061), early(61)),
            (at(2000), at(1100), at(1200), early(100)),
            (at(100), at(1100), None, late(900)),
        ] {
            let claims = Claims { expires, not_before, issued, ..Claims::default() };
            assert_eq!(rules().check_times(&claims, Timestamp(1_000_000)), expected, "{claims:?}");
        }
    }

    proptest! {
        /// A token is good from `nbf` and `iat` less leeway and skew, up to the last millisecond before `exp` and the leeway.
        #[test]
        fn every_boundary_is_exact(
            from in 0..253_402_300_799_000_u64,
            life in 1..10_000_000_u64,
            leeway in 0..600_000_u64,
            skew in prop_oneof![Just(0), 0..600_000_u64],
            by_issued in any::<bool>(),
        ) {
            let [leeway_span, skew_span] = [leeway, skew].map(Duration::from_millis);
            let rules = Rules { leeway: leeway_span, skew: skew_span, ..rules() };
            let (start, expires) = (Some(Timestamp(from)), Timestamp(from + life));
            let (not_before, issued) = if by_issued { (None, start) } else { (start, None) };
            let claims = Claims { expires: Some(expires), not_before, issued, ..Claims::default() };
            let check = |now| rules.check_times(&claims, Timestamp(now));
            let over = from + life + leeway;
            prop_assert_eq!(check(over - 1), Ok(expires));
            prop_assert_eq!(check(over), Err(TokenError::Expired(rules.leeway)));
            let first = from.saturating_sub(leeway + skew);
            prop_assert_eq!(check(first), Ok(expires));
            if let Some(before) = first.checked_sub(1) {
                let early = Duration::from_millis(leeway + skew + 1);
                prop_assert_eq!(check(before), Err(TokenError::NotYetValid(early)));
            }
        }
    }
}
