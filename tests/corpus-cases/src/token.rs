//! CSRF tokens, tokens (JWT) and API keys in cases: named in the files, made when a case is run.

use bartizan_core::{
    Entropy, Timestamp,
    csrf_token::{self, Binding},
    keys::PERIOD,
    session::SessionKey,
};

use crate::{Case, Request, api_key, deployment::keys, jwt};

impl Case {
    /// The case with the tokens that it names, made for a deployment with its keys whose clock shows `now`.
    pub(crate) fn with_tokens(&self, now: Timestamp) -> Self {
        let mut case = self.clone();
        let scopes = self.answer.scopes();
        let fill = |text: &mut Vec<u8>| {
            if let Some(filled) = fill(text, &|token| token.mint(now)) {
                *text = filled;
            }
            if let Some(filled) = jwt::fill(text, scopes, now) {
                *text = filled;
            }
            if let Some(filled) = api_key::fill(text) {
                *text = filled;
            }
        };
        if let Request::Head(head) = &mut case.request {
            head.headers.iter_mut().for_each(|(_, value)| fill(value));
            fill(&mut head.body);
        }
        case.expect.texts_at_handler().for_each(fill);
        case
    }
}

/// A token that a case names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token<'c> {
    /// How old its key is.
    key: KeyAge,
    /// Whose it is.
    owner: Owner<'c>,
}

/// How old the key of a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyAge {
    /// The current one: `{csrf:…}`.
    Current,
    /// The one before, which is still accepted: `{csrf-previous:…}`.
    Previous,
    /// The one before that, which is not: `{csrf-expired:…}`.
    Expired,
    /// One whose time has not come: `{csrf-future:…}`.
    Future,
}

/// Whose a token is, by the value of the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner<'c> {
    /// Of the session cookie.
    Session(&'c str),
    /// Of the pre-session cookie.
    PreSession(&'c str),
}

/// `text` with its tokens; `None` where it names none.
fn fill(text: &[u8], mint: &impl Fn(Token<'_>) -> String) -> Option<Vec<u8>> {
    let latin1: String = text.iter().copied().map(char::from).collect();
    let (before, after) = latin1.split_once("{csrf")?;
    let (named, after) = after.split_once('}')?;
    let token = Token::parse(named)?;
    let bytes =
        |text: &str| text.chars().filter_map(|character| u8::try_from(character).ok()).collect::<Vec<u8>>();
    let after = bytes(after);
    let after = fill(&after, mint).unwrap_or(after);
    Some([bytes(before), mint(token).into_bytes(), after].concat())
}

impl<'c> Token<'c> {
    /// From what stands between `{csrf` and `}`.
    fn parse(named: &'c str) -> Option<Self> {
        let (age, owner) = named.split_once(':')?;
        let key = match age {
            "" => KeyAge::Current,
            "-previous" => KeyAge::Previous,
            "-expired" => KeyAge::Expired,
            "-future" => KeyAge::Future,
            _ => return None,
        };
        let owner = match owner.split_once(':')? {
            ("session", cookie) => Owner::Session(cookie),
            ("presession", cookie) => Owner::PreSession(cookie),
            _ => return None,
        };
        Some(Self { key, owner })
    }

    /// The token itself: a token that is named twice is one.
    fn mint(self, now: Timestamp) -> String {
        let binding = match self.owner {
            Owner::Session(cookie) => Binding::Session(SessionKey::of(cookie.as_bytes())),
            Owner::PreSession(cookie) => Binding::pre_session(cookie.as_bytes()).expect("a pre-session's id"),
        };
        let period = u64::try_from(PERIOD.as_millis()).expect("days in milliseconds");
        let made = match self.key {
            KeyAge::Current => now.0,
            KeyAge::Previous => now.0 - period,
            KeyAge::Expired => now.0 - 2 * period,
            // More than the clock of another node can be ahead.
            KeyAge::Future => now.0 + 2 * period,
        };
        csrf_token::mint(&keys(), &binding, Timestamp(made), &mut Fixed).expect("a time that has a key")
    }
}

struct Fixed;

impl Entropy for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_made_wherever_they_are_named() {
        let mint = |token: Token<'_>| format!("<{token:?}>");
        for (text, expected) in [
            ("a={csrf:session:abc}", Some("a=<Token { key: Current, owner: Session(\"abc\") }>")),
            (
                "{csrf-expired:presession:x}\u{ff}{csrf-future:session:}",
                Some(
                    "<Token { key: Expired, owner: PreSession(\"x\") }>\u{ff}<Token { key: Future, owner: Session(\"\") }>",
                ),
            ),
            ("{csrf-older:session:abc}", None),
            ("{csrf:cookie:abc}", None),
            ("{\"csrf\":1}", None),
        ] {
            let bytes = |text: &str| text.chars().map(|c| u8::try_from(c).unwrap()).collect::<Vec<_>>();
            assert_eq!(fill(&bytes(text), &mint), expected.map(bytes), "{text}");
        }
    }
}
