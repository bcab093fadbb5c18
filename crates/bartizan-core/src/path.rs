//! Paths: what a request's path contains that two programs could read in two ways, and all its readings.

use alloc::{vec, vec::Vec};

use crate::{DenialCode, policy::Relaxation};

/// What stands in a path that the firewall knows; a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings(u16);

impl Findings {
    const MALFORMED: u16 = 1 << 15;

    const fn bit(relaxation: Relaxation) -> u16 {
        1 << relaxation as u16
    }

    pub(crate) fn of(relaxations: &[Relaxation]) -> Self {
        Self(relaxations.iter().fold(0, |bits, relaxation| bits | Self::bit(*relaxation)))
    }

    const fn add(&mut self, relaxation: Relaxation) {
        self.0 |= Self::bit(relaxation);
    }

    const fn add_malformed(&mut self) {
        self.0 |= Self::MALFORMED;
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is left when `relaxed` is let through.
    pub(crate) const fn without(self, relaxed: Self) -> Self {
        Self(self.0 & !relaxed.0)
    }

    const fn has(self, relaxation: Relaxation) -> bool {
        self.0 & Self::bit(relaxation) != 0
    }

    /// The code of the gravest finding.
    pub(crate) fn code(self) -> Option<DenialCode> {
        if self.has(Relaxation::Control) {
            return Some(DenialCode::PathControl);
        }
        // Raw control characters are malformed too, so that relaxing the encoded ones does not let them in.
        if self.0 & Self::MALFORMED != 0 {
            return Some(DenialCode::PathMalformed);
        }
        [
            (Relaxation::Utf8, DenialCode::PathUtf8),
            (Relaxation::Backslash, DenialCode::PathBackslash),
            (Relaxation::EncodedSlash, DenialCode::PathEncodedSlash),
            (Relaxation::EncodedPercent, DenialCode::PathEncodedPercent),
            (Relaxation::EncodedDot, DenialCode::PathEncodedDot),
            (Relaxation::DotSegment, DenialCode::PathDotSegment),
            (Relaxation::Semicolon, DenialCode::PathSemicolon),
            (Relaxation::EmptySegment, DenialCode::PathEmptySegment),
        ]
        .into_iter()
        .find_map(|(relaxation, code)| self.has(relaxation).then_some(code))
    }
}

/// The class of each byte of a path: 0 may stand anywhere, 1 needs a look, 2 cannot stand in a path.
///
/// RFC 3986 §3.3 `pchar`, and the few that browsers send unencoded (`[`, `]`, `^`, `|`; URL Standard, path percent-encode set).
#[expect(clippy::indexing_slicing, reason = "evaluated at build, where an index out of bounds fails it")]
const CLASS: [u8; 256] = {
    let mut class = [2_u8; 256];
    let plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~!$&'()*+,=:@[]^|";
    let mut index = 0;
    while index < plain.len() {
        class[plain[index] as usize] = 0;
        index += 1;
    }
    class[b'/' as usize] = 1;
    class[b'.' as usize] = 1;
    class[b'%' as usize] = 1;
    class[b';' as usize] = 1;
    class[b'\\' as usize] = 1;
    class
};

/// Looks for everything that two programs could read in two ways.
pub(crate) fn scan(path: &[u8]) -> Findings {
    if is_words(path) { Findings::default() } else { scan_closely(path) }
}

/// Whether a path is words between single slashes, as nearly every path is: words have nothing to find.
#[inline]
fn is_words(path: &[u8]) -> bool {
    let mut rest = path.iter();
    while let Some(&byte) = rest.find(|byte| CLASS.get(usize::from(**byte)) != Some(&0)) {
        if byte != b'/' || rest.as_slice().first() == Some(&b'/') {
            return false;
        }
    }
    true
}

/// Looks at every byte of `path` once.
fn scan_closely(path: &[u8]) -> Findings {
    let mut found = Findings::default();
    let mut beyond_ascii = false;
    // The length of the segment so far and how many of its (decoded) bytes are dots.
    let (mut length, mut dots) = (0_usize, 0_usize);
    let mut first = true;
    let mut bytes = path.iter().copied();
    while let Some(byte) = bytes.next() {
        match CLASS.get(usize::from(byte)) {
            Some(0) => {
                length += 1;
                continue;
            }
            Some(1) => {}
            _ => {
                found.add_malformed();
                if byte.is_ascii_control() {
                    found.add(Relaxation::Control);
                }
            }
        }
        let decoded = match byte {
            b'/' => {
                if is_dot_segment(length, dots) {
                    found.add(Relaxation::DotSegment);
                }
                if length == 0 && !first {
                    found.add(Relaxation::EmptySegment);
                }
                first = false;
                (length, dots) = (0, 0);
                continue;
            }
            b'%' => {
                let Some(decoded) = hex_pair(bytes.next(), bytes.next()) else {
                    found.add_malformed();
                    continue;
                };
                match decoded {
                    b'/' => found.add(Relaxation::EncodedSlash),
                    b'.' => found.add(Relaxation::EncodedDot),
                    b'%' => found.add(Relaxation::EncodedPercent),
                    0..=0x1f | 0x7f => found.add(Relaxation::Control),
                    0x80.. => beyond_ascii = true,
                    _ => {}
                }
                decoded
            }
            _ => byte,
        };
        match decoded {
            b';' => found.add(Relaxation::Semicolon),
            b'\\' => found.add(Relaxation::Backslash),
            b'.' => dots += 1,
            _ => {}
        }
        length += 1;
    }
    if is_dot_segment(length, dots) {
        found.add(Relaxation::DotSegment);
    }
    if beyond_ascii && core::str::from_utf8(&decode(path)).is_err() {
        found.add(Relaxation::Utf8);
    }
    found
}

/// Whether a segment of this many bytes, of which so many are dots, is `.` or `..`.
const fn is_dot_segment(length: usize, dots: usize) -> bool {
    length == dots && (length == 1 || length == 2)
}

fn hex_pair(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    Some(hex(high)? * 16 + hex(low)?)
}

fn hex(digit: Option<u8>) -> Option<u8> {
    match digit? {
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
        digit @ b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The bytes of `text`, each `%XX` decoded once; a `%` that is not followed by two digits stands for itself.
pub(crate) fn decoded(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = text;
    core::iter::from_fn(move || {
        let (&byte, after) = rest.split_first()?;
        if byte == b'%'
            && let [high, low, after @ ..] = after
            && let Some(decoded) = hex_pair(Some(*high), Some(*low))
        {
            rest = after;
            return Some(decoded);
        }
        rest = after;
        Some(byte)
    })
}

pub(crate) fn decode(text: &[u8]) -> Vec<u8> {
    decoded(text).collect()
}

/// What one program does to a path.
type Step = fn(&[u8]) -> Vec<u8>;

/// At most this many readings are made of one path. What has more is not a path that anybody means.
const MAX_READINGS: usize = 64;

/// Calls `judge` with every way in which the programs behind us could read `path`, until one is refused.
///
/// Each of several programs in a row may decode it, take `;…` out of its segments, take out control characters or
/// end at NUL, read `\` as `/`, merge slashes and resolve dot segments, in an order of its own: nginx resolves
/// before Tomcat takes out `;…`. So the readings are all that these steps come to, in any order and number. The
/// paths handed over are decoded: they are not to be decoded again.
///
/// Returns whether all readings were accepted, and were few enough to be known. Only a path with a relaxed finding
/// comes here.
pub(crate) fn every_reading(path: &[u8], mut judge: impl FnMut(&[u8]) -> bool) -> bool {
    const STEPS: [Step; 7] =
        [decode, without_parameters, without_controls, cut_at_nul, turned, merged, resolved];
    let mut readings = vec![path.to_vec()];
    let mut next = 0;
    while let Some(reading) = readings.get(next).cloned() {
        next += 1;
        if !judge(&decode(&reading)) {
            return false;
        }
        for step in STEPS {
            let other = step(&reading);
            if readings.contains(&other) {
                continue;
            }
            if readings.len() == MAX_READINGS {
                return false;
            }
            readings.push(other);
        }
    }
    true
}

/// Without control characters. This covers the one that routers overlook most: Python's `$` (Starlette, Django)
/// matches before a newline at the end, so that `/admin%0a` is `/admin` to them.
fn without_controls(path: &[u8]) -> Vec<u8> {
    path.iter().copied().filter(|byte| !byte.is_ascii_control()).collect()
}

/// What is left of a path where texts end at NUL, as in C.
fn cut_at_nul(path: &[u8]) -> Vec<u8> {
    path.split(|&byte| byte == 0).next().unwrap_or_default().to_vec()
}

/// `\` as `/`.
fn turned(path: &[u8]) -> Vec<u8> {
    path.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect()
}

/// Each segment up to its first `;`.
fn without_parameters(path: &[u8]) -> Vec<u8> {
    let mut inside = false;
    let kept = path.iter().copied().filter(|&byte| {
        match byte {
            b'/' => inside = false,
            b';' => inside = true,
            _ => {}
        }
        !inside
    });
    kept.collect()
}

/// `//` as `/`.
fn merged(path: &[u8]) -> Vec<u8> {
    let mut merged = path.to_vec();
    merged.dedup_by(|next, previous| *next == b'/' && *previous == b'/');
    merged
}

/// `.` and `..` resolved (RFC 3986 §5.2.4), never above the root.
fn resolved(path: &[u8]) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut ends_in_dots = false;
    for segment in path.strip_prefix(b"/").unwrap_or(path).split(|&byte| byte == b'/') {
        ends_in_dots = segment == b"." || segment == b"..";
        match segment {
            b"." => {}
            b".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    if ends_in_dots {
        segments.push(b"");
    }
    let mut resolved = Vec::with_capacity(path.len());
    for segment in segments {
        resolved.push(b'/');
        resolved.extend_from_slice(segment);
    }
    if resolved.is_empty() {
        resolved.push(b'/');
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn findings() {
        for (path, expected) in [
            ("/", None),
            ("/profile", None),
            ("/a/b/c.html", None),
            ("/a/", None),
            ("/v1.2/..x/x../...", None),
            ("/caf%C3%A9", None),
            ("/a%20b", None),
            ("/~u/[x]^y|z", None),
            ("//", Some("path.empty-segment")),
            ("/a//b", Some("path.empty-segment")),
            ("/a;b", Some("path.semicolon")),
            ("/a%3bb", Some("path.semicolon")),
            ("/a%3Bb", Some("path.semicolon")),
            ("/a\\b", Some("path.backslash")),
            ("/a%5cb", Some("path.backslash")),
            ("/a%5Cb", Some("path.backslash")),
            ("/a%2fb", Some("path.encoded-slash")),
            ("/a%2Fb", Some("path.encoded-slash")),
            ("/a%2eb", Some("path.encoded-dot")),
            ("/%2E%2e/b", Some("path.encoded-dot")),
            ("/a%252fb", Some("path.encoded-percent")),
            ("/.", Some("path.dot-segment")),
            ("/..", Some("path.dot-segment")),
            ("/a/../b", Some("path.dot-segment")),
            ("/a/./b", Some("path.dot-segment")),
            ("/a%00", Some("path.control")),
            ("/a%0a", Some("path.control")),
            ("/a%0D", Some("path.control")),
            ("/a%7f", Some("path.control")),
            ("/a%ff", Some("path.utf8")),
            ("/a%c0%af", Some("path.utf8")),
            ("/a%", Some("path.malformed")),
            ("/a%2", Some("path.malformed")),
            ("/a%zz", Some("path.malformed")),
            ("/a%zzb%zz", Some("path.malformed")),
            ("/a b", Some("path.malformed")),
            ("/a b c", Some("path.malformed")),
            ("/a\n", Some("path.control")),
            ("/a\0", Some("path.control")),
            ("/a{b}", Some("path.malformed")),
            ("/a\"b", Some("path.malformed")),
            ("/a`b", Some("path.malformed")),
            ("/é", Some("path.malformed")),
            ("/a#b", Some("path.malformed")),
            ("/<", Some("path.malformed")),
        ] {
            assert_eq!(scan(path.as_bytes()).code().map(DenialCode::as_str), expected, "{path:?}");
        }
    }

    #[test]
    fn what_stands_there_twice_is_found_alone() {
        for (path, expected) in [
            ("/a;b;c", Relaxation::Semicolon),
            ("/a\\b\\c", Relaxation::Backslash),
            ("/a%2fb%2fc", Relaxation::EncodedSlash),
            ("/a%25b%25c", Relaxation::EncodedPercent),
            ("/a%2eb%2ec", Relaxation::EncodedDot),
            ("/a%00b%00c", Relaxation::Control),
            ("/a%ffb%ff", Relaxation::Utf8),
            ("/a//b//c", Relaxation::EmptySegment),
            ("/./../a", Relaxation::DotSegment),
            ("/a/./..", Relaxation::DotSegment),
        ] {
            assert_eq!(scan(path.as_bytes()), Findings::of(&[expected, expected]), "{path}");
            assert_eq!(scan(path.as_bytes()), Findings::of(&[expected]), "{path}");
        }
    }

    #[test]
    fn words() {
        for (path, expected) in [
            ("/", true),
            ("/a", true),
            ("/a/b-c/~d/", true),
            ("//", false),
            ("/a//b", false),
            ("/a.b", false),
            ("/a%20b", false),
            ("/a;b", false),
            ("/a b", false),
        ] {
            assert_eq!(is_words(path.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn a_relaxed_finding_leaves_the_others() {
        let relaxed = Findings::of(&[Relaxation::EncodedSlash]);
        assert!(scan(b"/a%2fb").without(relaxed).is_empty());
        assert_eq!(scan(b"/a%2fb;c").without(relaxed).code(), Some(DenialCode::PathSemicolon));
        let control = Findings::of(&[Relaxation::Control]);
        assert!(scan(b"/a%0ab").without(control).is_empty());
        assert_eq!(scan(b"/a\nb").without(control).code(), Some(DenialCode::PathMalformed));
    }

    #[test]
    fn readings() {
        for (path, expected) in [
            ("/a/b", &["/a/b"][..]),
            ("/x%2fadmin", &["/x/admin"]),
            ("/x/..%2fadmin", &["/x/../admin", "/admin"]),
            ("/x;y/admin", &["/x;y/admin", "/x/admin"]),
            ("//admin", &["//admin", "/admin"]),
            ("/x/./admin", &["/x/./admin", "/x/admin"]),
            ("/a/b/.", &["/a/b/.", "/a/b/"]),
            ("/a/b/..", &["/a/b/..", "/a/"]),
            ("/../a/..", &["/../a/..", "/"]),
            ("/x%255cadmin", &["/x%5cadmin", "/x\\admin", "/x/admin"]),
            // `;` taken out before or after decoding takes different parts along.
            ("/x;%2fy/z", &["/x;/y/z", "/x/y/z", "/x/z"]),
            ("/admin%0a", &["/admin\n", "/admin"]),
            ("/a%09/x%00.png", &["/a\t/x\0.png", "/a/x.png", "/a\t/x", "/a/x"]),
            // `..` takes the empty segment before it, or, where slashes are merged, the one before that.
            ("/x//../admin", &["/x//../admin", "/x/../admin", "/x/admin", "/admin"]),
            ("//admin//../y", &["//admin//../y", "/admin/../y", "//admin/y", "/y", "/admin/y"]),
            // One program resolves what is raw, the next decodes what is left and does not resolve.
            ("/x/../admin/%2e%2e/y", &["/x/../admin/../y", "/admin/../y", "/y"]),
            ("/x%0a/..%0a/admin", &["/x\n/..\n/admin", "/x/../admin", "/admin"]),
        ] {
            let mut readings = Vec::new();
            let accepted = every_reading(path.as_bytes(), |reading| {
                readings.push(String::from_utf8(reading.to_vec()).unwrap());
                true
            });
            readings.sort();
            readings.dedup();
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            assert!(accepted);
            assert_eq!(readings, expected, "{path}");
        }
    }

    #[test]
    fn too_many_readings_are_none_that_anybody_means() {
        let path = "/a;%2f..;%5c%252e%252e//b%00;/".repeat(8);
        let mut calls = 0;
        assert!(!every_reading(path.as_bytes(), |_| {
            calls += 1;
            true
        }));
        assert!(calls <= MAX_READINGS, "{calls}");
    }

    #[test]
    fn the_first_refusal_ends_it() {
        let mut calls = 0;
        assert!(!every_reading(b"/x;y", |_| {
            calls += 1;
            false
        }));
        assert_eq!(calls, 1);
    }
}
