//! CSRF tokens in cases: named in the files, made by whoever runs them.

use crate::{Case, Request};

/// The master key of the deployments that run the cases.
pub const MASTER_KEY: &[u8] = b"the master key of the corpus, which is no secret";

/// A token that a case names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'c> {
    /// How old its key is.
    pub key: KeyAge,
    /// Whose it is.
    pub owner: Owner<'c>,
}

/// How old the key of a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAge {
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
pub enum Owner<'c> {
    /// Of the session cookie.
    Session(&'c str),
    /// Of the pre-session cookie.
    PreSession(&'c str),
}

impl Case {
    /// The case with its tokens, as `mint` makes them: the same for the same [`Token`].
    pub(crate) fn with_tokens(&self, mint: impl Fn(Token<'_>) -> String) -> Self {
        let mut case = self.clone();
        let fill = |text: &mut Vec<u8>| {
            if let Some(filled) = fill(text, &mint) {
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
