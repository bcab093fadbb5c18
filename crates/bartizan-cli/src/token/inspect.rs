//! `bartizan token inspect`: what is in a token, and whether it is good.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use bartizan::{OsClock, jwt::verifying_key};
use bartizan_core::{
    Clock as _, Timestamp,
    jwt::{JwkSet, Rules, Token, TokenError},
};
use serde_json::json;

use super::{
    TokenFailure,
    judged::{Judged, Revoked, by_ring},
    shown::Said,
    text_of,
};
use crate::{
    Outcome,
    arguments::{PolicyArguments, TokenInspectArguments},
    failure::Failure,
    keys,
    policy::{self, Source},
    terminal::{self, BAD, GOOD, paint, printable},
    when::{ago, ahead, utc},
};

/// Judges it. What keeps it from being judged is no refusal, and has an exit code of its own.
pub(super) fn run(arguments: &TokenInspectArguments) -> Result<Outcome, Failure> {
    match inspect(arguments) {
        Ok(outcome) => Ok(outcome),
        Err(Failure::Output(error)) => Err(Failure::Output(error)),
        Err(failure) => {
            failure.print();
            Ok(Outcome::Undecided)
        }
    }
}

fn inspect(arguments: &TokenInspectArguments) -> Result<Outcome, Failure> {
    let text = text_of(&arguments.token)?;
    let now = OsClock.now();
    let judged = match &arguments.jwks {
        Some(file) => by_set(file, arguments, &text, now)?,
        None => match keys::deployment(&arguments.policy)? {
            Some(deployment) => {
                let judged = by_ring(&deployment, &text, Duration::ZERO, now);
                deployment.close();
                judged?
            }
            // Its faults are printed.
            None => return Ok(Outcome::Undecided),
        },
    };
    let said = Said::of(&text);
    let shown = if arguments.json { judged.json(&said) } else { judged.text(&said, now) };
    terminal::print(&shown)?;
    Ok(if judged.verdict.is_ok() { Outcome::Fine } else { Outcome::Faults })
}

/// By the public keys of a set. Whether it was revoked only its issuer knows.
fn by_set(
    file: &Path,
    arguments: &TokenInspectArguments,
    text: &str,
    now: Timestamp,
) -> Result<Judged, Failure> {
    let set = fs::read(file).map_err(|error| Failure::Read { path: file.to_owned(), error })?;
    let set = JwkSet::parse(&set).map_err(|fault| TokenFailure::Set { file: file.to_owned(), fault })?;
    let rules = rules(arguments)?;
    let verdict = match Token::parse(text.as_bytes()) {
        Err(error) => Err(error),
        // What is wrong first is said first, as `serve` does.
        Ok(token) if token.issuer().is_some_and(|issuer| *issuer != *rules.issuer) => Err(TokenError::Issuer),
        Ok(token) => match key_of_set(&set, &token) {
            Err(error) => Err(error),
            Ok(key) => {
                let key =
                    verifying_key(key).map_err(|fault| TokenFailure::Key { file: file.to_owned(), fault })?;
                token.verify(&key, &rules, now)
            }
        },
    };
    let skipped = set.skipped.first().filter(|_| verdict == Err(TokenError::KeyUnknown));
    let note = skipped.map(|fault| {
        format!("{} of the set cannot be used: {fault}", terminal::count(set.skipped.len(), "key"))
    });
    Ok(Judged { verdict, keys: file.display().to_string(), revocation: false, revoked: None, note })
}

/// The key that a token names. Where several have the name, they are told apart by what they are for (RFC 7517 §4.5).
fn key_of_set<'s>(
    set: &'s JwkSet,
    token: &Token<'_>,
) -> Result<&'s bartizan_core::jwt::PublicKey, TokenError> {
    let kid = token.kid().ok_or(TokenError::KeyUnknown)?;
    let named = || set.keys.iter().filter(|jwk| jwk.kid.as_deref() == Some(kid));
    match named().find(|jwk| jwk.key.algorithm() == token.algorithm()) {
        Some(jwk) => Ok(&jwk.key),
        None if named().next().is_some() => Err(TokenError::Algorithm),
        None => Err(TokenError::KeyUnknown),
    }
}

/// What the tokens must be like whose keys are in a set: as the options say, and where they do not, as the policy does.
fn rules(arguments: &TokenInspectArguments) -> Result<Rules, Failure> {
    let named = arguments.issuer.is_some() && arguments.audience.is_some();
    let ours = if named { None } else { policy_rules(&arguments.policy)? };
    let (issuer, audience) = match ours {
        Some(rules) => (Some(rules.issuer), rules.audiences.into_iter().next()),
        None => (None, None),
    };
    let issuer = arguments.issuer.as_deref().map(Into::into).or(issuer);
    let audience = arguments.audience.as_deref().map(Into::into).or(audience);
    let mut rules = Rules::new(
        issuer.ok_or(TokenFailure::Unnamed("issuer"))?,
        audience.ok_or(TokenFailure::Unnamed("audience"))?,
    );
    if let Some(typ) = &arguments.typ {
        rules.types = vec![typ.as_str().into()];
    }
    Ok(rules)
}

/// Those of the policy, if there is one that has any.
fn policy_rules(arguments: &PolicyArguments) -> Result<Option<Rules>, Failure> {
    let Some(source) = Source::find(arguments.policy.as_deref())? else { return Ok(None) };
    let profile = arguments.profile.profile.as_deref();
    match policy::load(&source, profile, None, policy::stand_in_keys())? {
        Ok(loaded) if loaded.document.policy.jwt.is_none() => Ok(None),
        Ok(loaded) => Ok(Some(keys::issuers(&loaded)?.ours().clone())),
        Err(faults) => {
            crate::diagnostics::print(&source, &faults);
            Ok(None)
        }
    }
}

impl Judged {
    fn text(&self, said: &Said, now: Timestamp) -> String {
        let mut text = said.text(now);
        let keys = printable(&self.keys);
        text.push('\n');
        match &self.verdict {
            Ok(token) => {
                let until = if token.expires > now {
                    format!("it ends {}", ahead(token.expires, now))
                } else {
                    format!("it ended {}, within the leeway", ago(token.expires, now))
                };
                let _ = writeln!(text, "{}: signed by a key of {keys}; {until}", paint(GOOD, "valid"));
                if !self.revocation {
                    text.push_str("whether it was revoked cannot be seen in a JWK set\n");
                }
            }
            Err(error) => {
                let _ = writeln!(text, "{}: {error} [{}]", paint(BAD, "refused"), error.code());
                if matches!(error, TokenError::KeyUnknown | TokenError::Signature) {
                    let _ = writeln!(text, "judged by {keys}");
                }
            }
        }
        if let Some(note) = &self.note {
            let _ = writeln!(text, "{}", printable(note));
        }
        text
    }

    fn json(&self, said: &Said) -> String {
        let refusal = self.verdict.as_ref().err();
        let expires = self.verdict.as_ref().ok().map(|token| utc(token.expires));
        let json = json!({
            "valid": self.verdict.is_ok(),
            "code": refusal.map(|error| error.code()),
            "message": refusal.map(ToString::to_string),
            "revoked": self.revoked.map(Revoked::name),
            "note": self.note,
            "expires": expires,
            "keys": self.keys,
            "revocation_checked": self.revocation && !matches!(refusal, Some(error) if *error != TokenError::Revoked),
            "header": said.header,
            "claims": said.claims,
        });
        format!("{json}\n")
    }
}
