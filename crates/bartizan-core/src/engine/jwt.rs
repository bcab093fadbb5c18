//! Tokens in the course of a request: what is compiled, what is asked, what the answers come to.

use alloc::{borrow::ToOwned, boxed::Box, format, string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use super::evaluation::{Evaluation, Stop};
use crate::{
    Answer, DenialCode, Deployment, Entropy, HeaderPair, PolicyErrorKind, Principal, Query, TokenDigest,
    Trace,
    decision::Verified,
    error::Problems,
    jwt::{IssuerError, IssuerId, Issuers, KeySource, LEEWAY, Rules, Token, TokenError, TrustedIssuer},
    key_ring::{KeyRingConfig, Settings, SettingsError},
    origin::OriginPattern,
    policy::{self, CredentialKind, JwtConfig, Policy, TrustedIssuerConfig},
};

/// The longest name that a claim can have.
const LONGEST_NAME: usize = 256;
/// A longer leeway makes every token's time longer, rather than clocks agree (RFC 7519 §4.1.4: a few minutes at most).
const LONGEST_LEEWAY: Duration = Duration::from_mins(10);
/// An issuer's place fits 16 bits, and each is looked at on the way to the last.
const MOST_ISSUERS: u32 = 64;

/// Compiles `[jwt]`.
pub(super) fn compile(policy: &Policy, deployment: &Deployment, problems: &mut Problems) -> Option<Issuers> {
    let config = policy.jwt.as_ref()?;
    for (path, name) in [("jwt.issuer", &config.issuer), ("jwt.audience", &config.audience)] {
        check_name(path, name, problems);
    }
    let ring = ring(config, problems);
    let leeway = config.leeway.map_or(LEEWAY, |leeway| leeway.0);
    if leeway > LONGEST_LEEWAY {
        problems.error("jwt.leeway", None, PolicyErrorKind::OutOfRange("at most 10 minutes"));
    }
    if config.trusted_issuer.len() > MOST_ISSUERS as usize {
        problems.error("jwt.trusted_issuer", None, PolicyErrorKind::TooMany(MOST_ISSUERS));
    }
    let mut trusted: Vec<TrustedIssuer> = Vec::new();
    for (index, other) in config.trusted_issuer.iter().enumerate() {
        let at = format!("jwt.trusted_issuer[{index}]");
        let is_known = other.issuer == config.issuer
            || trusted.iter().any(|earlier| *earlier.rules.issuer == *other.issuer);
        if is_known {
            problems.error(format!("{at}.issuer"), Some(&other.issuer), IssuerError::Twice);
        }
        trusted.push(trust(other, leeway, &at, deployment.development, problems));
    }
    let ring = ring?;
    // Of two nodes one may be as fast as the other is slow.
    let skew = ring.skew() * 2;
    let ours = Rules { leeway, skew, ..Rules::new(&*config.issuer, &*config.audience) };
    Some(Issuers { ours, ring, trusted })
}

/// What the ring turns by, with its faults where they stand.
fn ring(config: &JwtConfig, problems: &mut Problems) -> Option<Settings> {
    let defaults = KeyRingConfig::default();
    let span = |own: Option<policy::Duration>, default| own.map_or(default, |own| own.0);
    let settings = Settings::new(&KeyRingConfig {
        algorithm: config.algorithm.unwrap_or(defaults.algorithm),
        rotate_every: span(config.rotate_every, defaults.rotate_every),
        jwks_max_age: span(config.jwks_max_age, defaults.jwks_max_age),
        token_lifetime: span(config.token_lifetime, defaults.token_lifetime),
        leeway: span(config.leeway, defaults.leeway),
        skew: span(config.skew, defaults.skew),
    });
    let faults = match settings {
        Ok(settings) => return Some(settings),
        Err(faults) => faults,
    };
    for fault in faults {
        let key = match fault {
            SettingsError::Zero(name) | SettingsError::TooLong { name, .. } => match name {
                "the tokens' lifetime" => "token_lifetime",
                name => name,
            },
            SettingsError::TooOften { .. } => "rotate_every",
            SettingsError::OutlivesKeys { .. } => "token_lifetime",
        };
        problems.error(format!("jwt.{key}"), None, PolicyErrorKind::KeyRing(fault));
    }
    None
}

/// One issuer of `[[jwt.trusted_issuer]]`, written at `at`.
fn trust(
    config: &TrustedIssuerConfig,
    leeway: Duration,
    at: &str,
    development: bool,
    problems: &mut Problems,
) -> TrustedIssuer {
    let issuer = &*config.issuer;
    if check_name(&format!("{at}.issuer"), issuer, problems) {
        // RFC 8414 §2: a URL without query and fragment.
        let url = web_url(issuer, development);
        let url = url.and_then(|()| if issuer.contains('?') { Err(IssuerError::Query) } else { Ok(()) });
        problems.check(format!("{at}.issuer"), issuer, url);
    }
    let keys = match &config.jwks {
        Some(url) => {
            problems.check(format!("{at}.jwks"), url, web_url(url, development));
            KeySource::JwkSet(url.as_str().into())
        }
        None => KeySource::Metadata(issuer.into()),
    };
    let names = |key: &str, names: &[String], problems: &mut Problems| {
        if names.is_empty() {
            problems.error(format!("{at}.{key}"), None, IssuerError::Nothing);
        }
        for (index, name) in names.iter().enumerate() {
            check_name(&format!("{at}.{key}[{index}]"), name, problems);
        }
        names.iter().map(|name| name.as_str().into()).collect::<Vec<Box<str>>>()
    };
    let audiences = match &config.audience {
        policy::Audiences::One(audience) => {
            check_name(&format!("{at}.audience"), audience, problems);
            [audience.as_str().into()].into()
        }
        policy::Audiences::Any(audiences) => names("audience", audiences, problems),
    };
    let mut rules = Rules { audiences, leeway, ..Rules::new(issuer, "") };
    rules.algorithms.retain(|algorithm| !algorithm.is_symmetric());
    if let Some(types) = &config.types {
        rules.types = names("types", types, problems);
    }
    if let Some(algorithms) = &config.algorithms {
        if algorithms.is_empty() {
            problems.error(format!("{at}.algorithms"), None, IssuerError::Nothing);
        }
        // RFC 8725 §3.2: a secret that others have too says nothing of who signed.
        for (index, algorithm) in algorithms.iter().enumerate().filter(|(_, one)| one.is_symmetric()) {
            let path = format!("{at}.algorithms[{index}]");
            problems.error(path, Some(algorithm.as_str()), IssuerError::SharedSecret);
        }
        rules.algorithms.clone_from(algorithms);
    }
    let url = config.jwks.as_deref().unwrap_or(issuer);
    if config.ca.is_some() && url.starts_with("http://") {
        problems.error(format!("{at}.ca"), None, IssuerError::UnusedAuthority);
    }
    TrustedIssuer { rules, keys, ca: config.ca.clone() }
}

fn check_name(path: &str, name: &str, problems: &mut Problems) -> bool {
    let is_name = (1..=LONGEST_NAME).contains(&name.len()) && !name.chars().any(char::is_control);
    if !is_name {
        problems.error(path, Some(name), IssuerError::NoName);
    }
    is_name
}

/// Whether `text` is a URL that keys can come from: by https, or on this machine, or in development.
fn web_url(text: &str, development: bool) -> Result<(), IssuerError> {
    let is_url = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['#', '\\']);
    let host = text.split_once("://").map(|(_, rest)| rest.find(['/', '?']).unwrap_or(rest.len()));
    let origin = host.and_then(|end| text.get(..text.find("://")? + 3 + end));
    let origin = origin.filter(|_| is_url).and_then(|origin| OriginPattern::parse_public(origin).ok());
    let origin = origin.ok_or(IssuerError::NoUrl)?;
    let is_safe = origin.http_scheme() == Some(crate::Scheme::Https) || origin.is_loopback() || development;
    if is_safe { Ok(()) } else { Err(IssuerError::Insecure) }
}

/// A token that was read, and whose keys and rules it claims.
#[derive(Debug)]
pub(super) struct Claimed<'r> {
    token: Token<'r>,
    issuer: IssuerId,
}

impl<'r> Claimed<'r> {
    /// Reads a token as far as it can be without a key.
    fn read(text: &'r [u8], issuers: &Issuers) -> Result<Self, (TokenError, Option<String>)> {
        let token = Token::parse(text).map_err(|error| (error, None))?;
        let (issuer, rules) =
            issuers.of(token.issuer()).map_err(|error| (error, token.issuer().map(ToOwned::to_owned)))?;
        if !rules.algorithms.contains(&token.algorithm()) {
            return Err((TokenError::Algorithm, None));
        }
        // Only a key of ours that was imported has tokens that do not name it.
        if token.kid().is_none() && issuer != IssuerId::OURS {
            return Err((TokenError::KeyUnknown, None));
        }
        Ok(Self { token, issuer })
    }
}

impl<'r, H, E, T> Evaluation<'_, 'r, H, E, T>
where
    H: Iterator<Item = HeaderPair<'r>> + Clone,
    E: Entropy,
    T: Trace,
{
    /// Asks for the key of a token. What is no token, or nobody's whom we trust, is refused, and nobody is asked.
    #[inline(never)]
    pub(super) fn ask_for_token_key(&mut self, text: &'r [u8]) -> Result<Query, Stop> {
        let Some(issuers) = &self.engine.0.issuers else { return Err(self.refuse_unasked()) };
        let claimed = match Claimed::read(text, issuers) {
            Ok(claimed) => claimed,
            Err((error, value)) => return Err(self.refuse_jwt(error, value)),
        };
        let query = Query::TokenKey {
            issuer: claimed.issuer,
            kid: claimed.token.kid().map(Into::into),
            algorithm: claimed.token.algorithm(),
            now: self.now,
        };
        self.claimed = Some(Box::new(claimed));
        Ok(query)
    }

    /// Reads the token again whose key was asked for, where that was before a pause. Without it nobody is let in.
    pub(super) fn read_token_again(&mut self) {
        let claimed = self.presented().zip(self.engine.0.issuers.as_ref());
        let claimed = claimed.and_then(|((_, text), issuers)| Claimed::read(text, issuers).ok());
        self.claimed = claimed.map(Box::new);
    }

    /// What the answer about a token's key comes to; of our own tokens, whether they were revoked is asked next.
    #[inline(never)]
    pub(super) fn verify_token(&mut self) -> Result<Option<Query>, Stop> {
        let (answer, claimed) = (self.given.take(), self.claimed.take());
        let rules = claimed.as_ref().zip(self.engine.0.issuers.as_ref());
        let rules = rules.and_then(|(claimed, issuers)| issuers.rules(claimed.issuer));
        let (Some(rules), Some(claimed)) = (rules, claimed) else { return Err(self.refuse_unasked()) };
        let Claimed { token, issuer } = *claimed;
        let key = match answer {
            Some(Answer::TokenKey(key)) => key,
            Some(Answer::Unknown) => {
                let kid = token.kid().map(ToOwned::to_owned);
                return Err(self.refuse_jwt(TokenError::KeyUnknown, kid));
            }
            // An answer to another question is none.
            _ => return Err(self.refuse_unasked()),
        };
        let token = match token.verify(&key, rules, self.now) {
            Ok(token) => token,
            Err(error) => return Err(self.refuse_jwt(error, None)),
        };
        let is_ours = issuer == IssuerId::OURS;
        let query = is_ours.then(|| Query::Revocation {
            jti: token.jti.as_deref().map(TokenDigest::of_jti),
            key: token.signer.map(Box::new),
            subject: token.subject.clone(),
            issued: token.issued,
            now: self.now,
        });
        self.context.seldom().is_token = true;
        let principal = Principal {
            subject: token.subject,
            issuer: (!is_ours).then(|| rules.issuer.clone()),
            kind: CredentialKind::Jwt,
            scopes: token.scopes,
        };
        self.verified = Some(Box::new(Verified {
            principal: Arc::new(principal),
            ends: Some(token.expires.after(rules.leeway)),
            session: None,
            claims: Some(token.claims),
        }));
        Ok(query)
    }

    /// What the answer about a token's revocation comes to.
    #[inline(never)]
    pub(super) fn judge_revocation(&mut self) -> Result<(), Stop> {
        let stop = match self.given.take() {
            Some(Answer::Revoked(false)) => return Ok(()),
            Some(Answer::Revoked(true)) => self.refuse_jwt(TokenError::Revoked, None),
            _ => self.refuse_unasked(),
        };
        // Nobody is let in by it, whatever comes after.
        self.verified = None;
        Err(stop)
    }

    /// `value` is what was looked up in vain.
    #[cold]
    fn refuse_jwt(&mut self, error: TokenError, value: Option<String>) -> Stop {
        let why = match error {
            TokenError::Issuer => "nobody of this name is trusted with tokens",
            TokenError::KeyUnknown => "no key that is in use has this name",
            _ => "the token is not accepted",
        };
        let value = value.unwrap_or_else(|| format!("{error}").replace('§', "section "));
        self.refuse_credential(code(error), &value, why)
    }
}

/// The denial of a token.
const fn code(error: TokenError) -> DenialCode {
    match error {
        TokenError::Malformed(_) => DenialCode::JwtMalformed,
        TokenError::Algorithm => DenialCode::JwtAlgorithm,
        TokenError::Issuer => DenialCode::JwtIssuer,
        TokenError::KeyUnknown => DenialCode::JwtKeyUnknown,
        TokenError::Signature => DenialCode::JwtSignature,
        TokenError::Type => DenialCode::JwtType,
        TokenError::Audience => DenialCode::JwtAudience,
        TokenError::Expired(_) => DenialCode::JwtExpired,
        TokenError::NotYetValid(_) => DenialCode::JwtNotYetValid,
        TokenError::Claims(_) => DenialCode::JwtClaims,
        TokenError::Revoked => DenialCode::JwtRevoked,
    }
}

/// Whether a 401 is about a token, which its challenge says (RFC 6750 §3.1).
pub(super) const fn is_about_token(code: DenialCode) -> bool {
    is_after_question(code) || matches!(code, DenialCode::JwtMalformed)
}

/// Whether a token may have been looked up before it was refused so.
pub(super) const fn is_after_question(code: DenialCode) -> bool {
    matches!(
        code,
        DenialCode::JwtAlgorithm
            | DenialCode::JwtIssuer
            | DenialCode::JwtKeyUnknown
            | DenialCode::JwtSignature
            | DenialCode::JwtType
            | DenialCode::JwtAudience
            | DenialCode::JwtExpired
            | DenialCode::JwtNotYetValid
            | DenialCode::JwtClaims
            | DenialCode::JwtRevoked
    )
}

#[cfg(test)]
mod tests;
