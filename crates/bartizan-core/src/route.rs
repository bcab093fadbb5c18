//! Routes: `METHOD /path` patterns in written order; the first that matches wins.

use alloc::{boxed::Box, vec::Vec};

use thiserror::Error;

use crate::path;

/// What is wrong with a route's `match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Not two words.
    #[error("a route is written `METHOD /path`, such as `GET /public/**` or `* /admin/**`")]
    NotMethodAndPath,
    /// A method that is not a token of capital letters.
    #[error("a method is written in capital letters, several with commas (`GET,POST`), all as `*`")]
    InvalidMethod,
    /// A path that does not begin with `/`.
    #[error("a route's path begins with `/`")]
    NotAbsolute,
    /// `**` before the end.
    #[error("`**` stands for the rest of the path, so it can only be the last segment")]
    RestNotLast,
    /// `*` or `{…}` beside other characters of a segment.
    #[error("`*` and `{{name}}` stand for one whole segment")]
    PartialWildcard,
    /// A path that no request that passes the firewall can have.
    #[error("no request can match this path: write it as a client sends it, without `//`, `.`, `..` or `;`")]
    Unreachable,
}

/// A compiled `match`.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: Box<str>,
    /// Empty for `*`.
    methods: Vec<Box<[u8]>>,
    segments: Vec<Segment>,
    /// Whether anything may follow the segments.
    rest: bool,
    case_insensitive: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// These bytes, decoded.
    Literal(Box<[u8]>),
    /// Anything but nothing.
    One,
}

impl Pattern {
    pub(crate) fn parse(text: &str, case_insensitive: bool) -> Result<Self, PatternError> {
        let mut words = text.split_ascii_whitespace();
        let (Some(methods), Some(path), None) = (words.next(), words.next(), words.next()) else {
            return Err(PatternError::NotMethodAndPath);
        };
        let methods = if methods == "*" {
            Vec::new()
        } else {
            methods.split(',').map(parse_method).collect::<Result<_, _>>()?
        };
        let mut segments = Vec::new();
        let mut rest = false;
        for segment in path.strip_prefix('/').ok_or(PatternError::NotAbsolute)?.split('/') {
            if rest {
                return Err(PatternError::RestNotLast);
            }
            match segment {
                "**" => rest = true,
                "*" => segments.push(Segment::One),
                _ if segment.starts_with('{') && segment.ends_with('}') => segments.push(Segment::One),
                _ if segment.contains(['*', '{', '}']) => return Err(PatternError::PartialWildcard),
                _ => segments.push(Segment::Literal(path::decode(segment.as_bytes()).into())),
            }
        }
        let last = segments.len().saturating_sub(usize::from(!rest));
        let unreachable = segments.iter().enumerate().any(|(index, segment)| match segment {
            Segment::Literal(bytes) => {
                (bytes.is_empty() && index != last)
                    || matches!(&**bytes, b"." | b"..")
                    || bytes.contains(&b';')
            }
            Segment::One => false,
        });
        if unreachable {
            return Err(PatternError::Unreachable);
        }
        Ok(Self { text: text.into(), methods, segments, rest, case_insensitive })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern names methods rather than `*`.
    pub(crate) fn names_methods(&self) -> bool {
        !self.methods.is_empty()
    }

    /// Whether a request of `method` is meant; GET means HEAD too, which is answered by the same handler.
    pub(crate) fn covers_method(&self, method: &[u8]) -> bool {
        self.methods.is_empty()
            || self
                .methods
                .iter()
                .any(|named| **named == *method || (**named == *b"GET" && method == b"HEAD"))
    }

    /// Whether a path as it was sent matches: split on `/`, then each segment decoded once.
    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        self.matches_segments(path, |segment, literal| {
            if segment.contains(&b'%') {
                let mut literal = literal.iter();
                path::decoded(segment)
                    .all(|byte| literal.next().is_some_and(|expected| self.same(byte, *expected)))
                    && literal.next().is_none()
            } else {
                self.same_bytes(segment, literal)
            }
        })
    }

    /// Whether a path that is already decoded matches.
    pub(crate) fn matches_decoded(&self, path: &[u8]) -> bool {
        self.matches_segments(path, |segment, literal| self.same_bytes(segment, literal))
    }

    fn matches_segments(&self, path: &[u8], same: impl Fn(&[u8], &[u8]) -> bool) -> bool {
        let Some(relative) = path.strip_prefix(b"/") else { return false };
        let mut sent = relative.split(|&byte| byte == b'/');
        for segment in &self.segments {
            let Some(sent) = sent.next() else { return false };
            let matches = match segment {
                Segment::Literal(literal) => same(sent, literal),
                Segment::One => !sent.is_empty(),
            };
            if !matches {
                return false;
            }
        }
        self.rest || sent.next().is_none()
    }

    fn same(&self, a: u8, b: u8) -> bool {
        if self.case_insensitive { a.eq_ignore_ascii_case(&b) } else { a == b }
    }

    fn same_bytes(&self, a: &[u8], b: &[u8]) -> bool {
        if self.case_insensitive { a.eq_ignore_ascii_case(b) } else { a == b }
    }

    /// Whether every request that `later` matches is matched by `self` already.
    pub(crate) fn shadows(&self, later: &Self) -> bool {
        let methods = self.methods.is_empty()
            || (!later.methods.is_empty() && later.methods.iter().all(|method| self.covers_method(method)));
        methods && self.covers_path_of(later)
    }

    /// Whether every path that `other` matches is matched by `self` too, whatever their methods.
    pub(crate) fn covers_path_of(&self, other: &Self) -> bool {
        (self.case_insensitive || !other.case_insensitive)
            && self.segments.len() <= other.segments.len()
            && self.segments.iter().zip(&other.segments).all(|(own, other)| match (own, other) {
                (Segment::One, Segment::One) => true,
                (Segment::One, Segment::Literal(literal)) => !literal.is_empty(),
                (Segment::Literal(own), Segment::Literal(other)) => self.same_bytes(own, other),
                (Segment::Literal(_), Segment::One) => false,
            })
            && (self.rest || (self.segments.len() == other.segments.len() && !other.rest))
    }

    /// Whether both have the same path, whatever their methods.
    pub(crate) fn same_path(&self, other: &Self) -> bool {
        self.segments == other.segments && self.rest == other.rest
    }
}

fn parse_method(method: &str) -> Result<Box<[u8]>, PatternError> {
    if is_method(method) { Ok(method.as_bytes().into()) } else { Err(PatternError::InvalidMethod) }
}

/// A method as policies write it: capital letters, `-` and `_` within.
pub(crate) fn is_method(method: &str) -> bool {
    method.starts_with(|first: char| first.is_ascii_uppercase())
        && method.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching() {
        for (pattern, method, path, expected) in [
            ("GET /a", "GET", "/a", true),
            ("GET /a", "HEAD", "/a", true),
            ("GET /a", "POST", "/a", false),
            ("HEAD /a", "GET", "/a", false),
            ("GET,POST /a", "POST", "/a", true),
            ("* /a", "DELETE", "/a", true),
            ("* /a", "GET", "/a/", false),
            ("* /a", "GET", "/A", false),
            ("* /a", "GET", "/%61", true),
            ("* /a", "GET", "/%62", false),
            ("* /a", "GET", "/%41", false),
            ("* /a", "GET", "/%2561", false),
            ("* /a/", "GET", "/a/", true),
            ("* /a/", "GET", "/a", false),
            ("* /a/**", "GET", "/a", true),
            ("* /a/**", "GET", "/a/", true),
            ("* /a/**", "GET", "/a/b/c", true),
            ("* /a/**", "GET", "/ab", false),
            ("* /**", "GET", "/", true),
            ("* /**", "GET", "/x/y", true),
            ("* /", "GET", "/", true),
            ("* /", "GET", "/x", false),
            ("* /*/b", "GET", "/a/b", true),
            ("* /*/b", "GET", "//b", false),
            ("* /users/{id}", "GET", "/users/7", true),
            ("* /users/{id}", "GET", "/users/", false),
            ("* /users/{id}", "GET", "/users/7/x", false),
            ("* /a", "OPTIONS", "*", false),
        ] {
            let compiled = Pattern::parse(pattern, false).unwrap();
            assert_eq!(
                compiled.covers_method(method.as_bytes()) && compiled.matches(path.as_bytes()),
                expected,
                "{pattern} on {method} {path}"
            );
        }
        let folded = Pattern::parse("* /Admin/**", true).unwrap();
        assert!(
            folded.matches(b"/aDMIN/x") && folded.matches(b"/%61dmin") && folded.matches_decoded(b"/ADMIN")
        );
        let decoded = Pattern::parse("* /caf%C3%A9", false).unwrap();
        assert!(decoded.matches(b"/caf%c3%a9") && decoded.matches_decoded("/café".as_bytes()));
        assert!(!Pattern::parse("* /a", false).unwrap().matches_decoded(b"/%61"));
    }

    #[test]
    fn errors() {
        for (text, expected) in [
            ("/a", PatternError::NotMethodAndPath),
            ("GET", PatternError::NotMethodAndPath),
            ("GET /a b", PatternError::NotMethodAndPath),
            ("get /a", PatternError::InvalidMethod),
            ("GET, /a", PatternError::InvalidMethod),
            ("GET a", PatternError::NotAbsolute),
            ("GET /**/a", PatternError::RestNotLast),
            ("GET /a*", PatternError::PartialWildcard),
            ("GET /{a}b", PatternError::PartialWildcard),
            ("GET /a//b", PatternError::Unreachable),
            ("GET //**", PatternError::Unreachable),
            ("GET /a/../b", PatternError::Unreachable),
            ("GET /a;b", PatternError::Unreachable),
        ] {
            assert_eq!(Pattern::parse(text, false).err(), Some(expected), "{text}");
        }
    }

    #[test]
    fn shadowing() {
        for (earlier, later, expected) in [
            ("* /**", "GET /a", true),
            ("* /a/**", "GET /a/b", true),
            ("* /a/**", "GET /a", true),
            ("GET /a/**", "* /a/b", false),
            ("GET /a/**", "HEAD /a/b", true),
            ("* /{x}", "* /a", true),
            ("* /a", "* /{x}", false),
            ("* /a", "* /a/**", false),
            ("* /a/**", "* /b", false),
            ("* /{x}", "* /", false),
        ] {
            let (earlier_pattern, later_pattern) =
                (Pattern::parse(earlier, false).unwrap(), Pattern::parse(later, false).unwrap());
            assert_eq!(earlier_pattern.shadows(&later_pattern), expected, "{earlier} before {later}");
        }
    }

    #[test]
    fn one_path_by_other_methods() {
        for (one, other, expected) in [
            ("GET /a", "* /a", true),
            ("GET /a/{x}/**", "POST /a/*/**", true),
            ("GET /a", "GET /b", false),
            ("GET /a/**", "GET /a", false),
            ("GET /a/**", "GET /b/**", false),
        ] {
            let (one_pattern, other_pattern) =
                (Pattern::parse(one, false).unwrap(), Pattern::parse(other, false).unwrap());
            assert_eq!(one_pattern.same_path(&other_pattern), expected, "{one} and {other}");
            assert_eq!(one_pattern.as_str(), one);
            assert!(one_pattern.names_methods());
            assert_eq!(other_pattern.names_methods(), !other.starts_with('*'), "{other}");
        }
    }
}
