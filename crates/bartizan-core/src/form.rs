//! One field of a form: `application/x-www-form-urlencoded` (URL standard §5.1) or `multipart/form-data` (RFC 7578, with
//! the delimiters of RFC 2046 §5.1.1).
//!
//! Only a prefix of the body is at hand. What the prefix cuts off is no field, and what stands behind it is not seen.
//! What is not written as browsers write it is not guessed at.

use alloc::borrow::Cow;

use crate::Form;

/// No value that is looked for is longer; more of one is not read.
const LONGEST_VALUE: usize = 256;

/// How many header lines a part may have; browsers send two.
const MOST_PART_HEADERS: usize = 8;

/// How a form is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding<'r> {
    Urlencoded,
    Multipart { boundary: &'r [u8] },
}

/// What a form says of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field<'f> {
    /// It has it once: the value's first bytes.
    Once(Cow<'f, [u8]>),
    /// It has it more than once.
    Repeated,
    /// It does not have it, as far as can be seen.
    Absent,
    /// It is not written as the standard says.
    Malformed,
}

impl<'r> Encoding<'r> {
    /// By a `Content-Type`; `None` where that is no form's.
    pub(crate) fn of(content_type: &'r [u8]) -> Option<Self> {
        let (media_type, parameters) = cut(content_type, b';').unwrap_or((content_type, b""));
        let media_type = media_type.trim_ascii();
        if media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            return Some(Self::Urlencoded);
        }
        if !media_type.eq_ignore_ascii_case(b"multipart/form-data") {
            return None;
        }
        let boundary = only(parameters, b"boundary").ok()??;
        is_boundary(boundary).then_some(Self::Multipart { boundary })
    }

    /// Looks for the field `name`, which is of letters, digits, `-` and `_`.
    pub(crate) fn field<'f>(self, form: &'f Form, name: &str) -> Field<'f> {
        let mut found = Found { name: name.as_bytes(), value: Field::Absent };
        let read = match self {
            Self::Urlencoded => {
                read_urlencoded(form, &mut found);
                Ok(())
            }
            Self::Multipart { boundary } => read_multipart(form, boundary, &mut found),
        };
        read.map_or(Field::Malformed, |()| found.value)
    }
}

/// The form breaks the rules.
#[derive(Debug, PartialEq, Eq)]
struct Malformed;

/// What is looked for, and what was found of it.
struct Found<'n, 'f> {
    name: &'n [u8],
    value: Field<'f>,
}

impl<'f> Found<'_, 'f> {
    fn add(&mut self, value: impl FnOnce() -> Cow<'f, [u8]>) {
        self.value = match self.value {
            Field::Absent => Field::Once(value()),
            _ => Field::Repeated,
        };
    }
}

fn read_urlencoded<'f>(form: &'f Form, found: &mut Found<'_, 'f>) {
    let mut pairs = form.body.split(|&byte| byte == b'&').peekable();
    while let Some(pair) = pairs.next() {
        if form.truncated && pairs.peek().is_none() {
            break;
        }
        let (name, value) = cut(pair, b'=').unwrap_or((pair, b""));
        if Decoded(name).eq(found.name.iter().copied()) {
            found.add(|| Cow::Owned(Decoded(value).take(LONGEST_VALUE).collect()));
        }
    }
}

/// Percent-decoded bytes, `+` being a space; a `%` that two hexadecimal digits do not follow is itself (URL standard
/// §1.3).
struct Decoded<'f>(&'f [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (first, rest) {
            (b'+', _) => Some(b' '),
            (b'%', [high, low, rest @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    self.0 = rest;
                    Some(high << 4 | low)
                }
                _ => Some(first),
            },
            _ => Some(first),
        }
    }
}

fn read_multipart<'f>(form: &'f Form, boundary: &[u8], found: &mut Found<'_, 'f>) -> Result<(), Malformed> {
    let delimiter = [b"\r\n--", boundary].concat();
    // What breaks off in the prefix may go on behind it.
    let broken_off = if form.truncated { Ok(()) } else { Err(Malformed) };
    // The first delimiter's line break may be missing (RFC 2046 §5.1.1). Nobody sends text before it.
    let Some(first) = delimiter.get(2..) else { return Err(Malformed) };
    let Some(mut rest) = form.body.strip_prefix(first) else {
        return if form.truncated && first.starts_with(&form.body) { Ok(()) } else { Err(Malformed) };
    };
    loop {
        if rest.starts_with(b"--") {
            return Ok(());
        }
        let Some((padding, part)) = line(rest) else { return broken_off };
        if !padding.trim_ascii().is_empty() {
            return Err(Malformed);
        }
        let Some((is_wanted, content)) = read_part_headers(part, found.name)? else { return broken_off };
        // A delimiter right behind the headers is no content's (its line break is theirs): two readings.
        if content.starts_with(first) {
            return Err(Malformed);
        }
        let Some(end) = position(content, &delimiter) else { return broken_off };
        let (value, next) = content.split_at_checked(end).ok_or(Malformed)?;
        if is_wanted {
            found.add(|| Cow::Borrowed(value.get(..LONGEST_VALUE).unwrap_or(value)));
        }
        rest = next.get(delimiter.len()..).ok_or(Malformed)?;
    }
}

/// Whether a part is the field of this name, and what follows its headers; `None` where they break off.
fn read_part_headers<'f>(mut part: &'f [u8], name: &[u8]) -> Result<Option<(bool, &'f [u8])>, Malformed> {
    let (mut is_wanted, mut disposed) = (false, false);
    for _ in 0..=MOST_PART_HEADERS {
        let Some((header, rest)) = line(part) else { return Ok(None) };
        part = rest;
        if header.is_empty() {
            // RFC 7578 §4.2: each part says its name.
            return if disposed { Ok(Some((is_wanted, part))) } else { Err(Malformed) };
        }
        let (key, value) = cut(header, b':').ok_or(Malformed)?;
        if key.is_empty() || key.iter().any(|byte| !byte.is_ascii_graphic()) {
            return Err(Malformed);
        }
        if key.eq_ignore_ascii_case(b"content-disposition") {
            if core::mem::replace(&mut disposed, true) {
                return Err(Malformed);
            }
            is_wanted = names(value, name)?;
        }
    }
    Err(Malformed)
}

/// Whether a `Content-Disposition` is of the field `name`, and not of a file.
fn names(disposition: &[u8], name: &[u8]) -> Result<bool, Malformed> {
    let (kind, parameters) = cut(disposition, b';').ok_or(Malformed)?;
    if !kind.trim_ascii().eq_ignore_ascii_case(b"form-data") {
        return Err(Malformed);
    }
    let field = only(parameters, b"name")?.ok_or(Malformed)?;
    let is_file = only(parameters, b"filename")?.is_some() || only(parameters, b"filename*")?.is_some();
    Ok(field == name && !is_file)
}

/// The value of the one parameter of this name; two of them are one too many.
fn only<'b>(parameters: &'b [u8], name: &[u8]) -> Result<Option<&'b [u8]>, Malformed> {
    let (mut found, mut rest) = (None, parameters);
    while let Some(((key, value), next)) = parameter(rest)? {
        rest = next;
        if key.eq_ignore_ascii_case(name) && found.replace(value).is_some() {
            return Err(Malformed);
        }
    }
    Ok(found)
}

/// A parameter's name and value.
type Parameter<'b> = (&'b [u8], &'b [u8]);

/// The first of `name=value; name="value"` (RFC 9110 §5.6.6) and what follows it. In quotes a backslash quotes the next
/// byte, and stays in the value: no value that matters has one.
fn parameter(mut text: &[u8]) -> Result<Option<(Parameter<'_>, &[u8])>, Malformed> {
    while let [b' ' | b'\t' | b';', rest @ ..] = text {
        text = rest;
    }
    if text.is_empty() {
        return Ok(None);
    }
    let (key, value) = cut(text, b'=').ok_or(Malformed)?;
    let key = key.trim_ascii_end();
    if key.is_empty() || key.iter().any(|byte| !byte.is_ascii_graphic() || b";\"".contains(byte)) {
        return Err(Malformed);
    }
    let Some(quoted) = value.strip_prefix(b"\"") else {
        let (value, rest) = cut(value, b';').unwrap_or((value, b""));
        let value = value.trim_ascii();
        let is_plain = !value.is_empty() && !value.contains(&b'"');
        return if is_plain { Ok(Some(((key, value), rest))) } else { Err(Malformed) };
    };
    let mut escaped = false;
    let end = quoted.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    let (value, rest) = end.and_then(|end| quoted.split_at_checked(end)).ok_or(Malformed)?;
    let rest = rest.get(1..).unwrap_or_default().trim_ascii_start();
    if rest.is_empty() || rest.starts_with(b";") { Ok(Some(((key, value), rest))) } else { Err(Malformed) }
}

/// 1 to 70 characters of a list (RFC 2046 §5.1.1); the last is no space.
fn is_boundary(boundary: &[u8]) -> bool {
    (1..=70).contains(&boundary.len())
        && boundary.iter().all(|byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte))
        && !boundary.ends_with(b" ")
}

/// The first line without its CRLF, and what follows; a bare line feed ends none.
fn line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, rest) = text.split_at_checked(position(text, b"\r\n")?)?;
    Some((line, rest.get(2..)?))
}

/// What is before and behind the first `at`.
fn cut(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = text.split_at_checked(text.iter().position(|&byte| byte == at)?)?;
    Some((before, rest.get(1..)?))
}

/// Where `needle` is. It begins with a byte that it does not have again, so that this looks at no byte more than twice.
fn position(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::String, vec::Vec};
    use proptest::prelude::*;

    const TYPE: &str = "multipart/form-data; boundary=XX";

    fn look<'f>(content_type: &str, form: &'f Form) -> Field<'f> {
        Encoding::of(content_type.as_bytes()).unwrap().field(form, "csrf_token")
    }

    fn form(body: &str, truncated: bool) -> Form {
        Form { body: body.as_bytes().to_vec(), truncated }
    }

    fn once(value: &str) -> Field<'_> {
        Field::Once(value.as_bytes().into())
    }

    #[test]
    fn forms_are_known_by_their_content_type() {
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        let longest = &long[..long.len() - 1];
        for (content_type, expected) in [
            ("application/x-www-form-urlencoded", Some(None)),
            ("Application/X-WWW-Form-Urlencoded ; charset=UTF-8", Some(None)),
            ("multipart/form-data; boundary=XX", Some(Some("XX"))),
            ("multipart/form-data;charset=utf-8;BOUNDARY=\"a b:c\"", Some(Some("a b:c"))),
            (
                "multipart/form-data; boundary=----WebKitFormBoundaryAbC",
                Some(Some("----WebKitFormBoundaryAbC")),
            ),
            (longest, Some(Some(&longest[30..]))),
            (&long, None),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=\"\"", None),
            ("multipart/form-data; boundary=\"a\\b\"", None),
            ("multipart/form-data; boundary=\"a", None),
            ("multipart/form-data; boundary=\"a\"b", None),
            ("multipart/form-data; boundary=a; boundary=a", None),
            ("multipart/form-data; boundary=\"a \"", None),
            ("multipart/form-data; boundary=a\u{e9}", None),
            ("multipart/mixed; boundary=XX", None),
            ("application/json", None),
            ("text/plain", None),
            ("", None),
        ] {
            let found = Encoding::of(content_type.as_bytes());
            let expected = expected.map(|boundary| match boundary {
                None => Encoding::Urlencoded,
                Some(boundary) => Encoding::Multipart { boundary: str::as_bytes(boundary) },
            });
            assert_eq!(found, expected, "{content_type}");
        }
    }

    #[test]
    fn urlencoded_fields() {
        for (body, whole, cut_off) in [
            ("csrf_token=a.b-c_d", once("a.b-c_d"), Field::Absent),
            ("x=1&csrf_token=abc&y=2", once("abc"), once("abc")),
            ("csrf%5Ftoken=a%2Eb+c%zz%4&", once("a.b c%zz%4"), once("a.b c%zz%4")),
            ("csrf_token", once(""), Field::Absent),
            ("csrf_token=a=b&", once("a=b"), once("a=b")),
            ("csrf_token=a&csrf_token=a", Field::Repeated, once("a")),
            ("csrf_token=a&csrf%5ftoken=b&", Field::Repeated, Field::Repeated),
            (
                "Csrf_token=a&csrf_token2=b&csrf_toke=c&csrf_token =d&;csrf_token=e",
                Field::Absent,
                Field::Absent,
            ),
            ("x=1;csrf_token=a", Field::Absent, Field::Absent),
            ("", Field::Absent, Field::Absent),
            ("&&&=&=&", Field::Absent, Field::Absent),
        ] {
            for (truncated, expected) in [(false, whole), (true, cut_off)] {
                let form = form(body, truncated);
                assert_eq!(look("application/x-www-form-urlencoded", &form), expected, "{body} {truncated}");
            }
        }
    }

    /// A multipart body of these parts, each headers and content.
    fn parts(parts: &[(&str, &str)]) -> String {
        parts_between("XX", parts)
    }

    fn parts_between(boundary: &str, parts: &[(&str, &str)]) -> String {
        let part =
            |(headers, content): &(&str, &str)| format!("--{boundary}\r\n{headers}\r\n\r\n{content}\r\n");
        parts.iter().map(part).chain([format!("--{boundary}--\r\n")]).collect()
    }

    const TOKEN: &str = "Content-Disposition: form-data; name=\"csrf_token\"";
    const OTHER: &str = "Content-Disposition: form-data; name=\"a\"";

    #[test]
    fn multipart_fields() {
        let file = format!("{OTHER}; filename=\"a\\\"b; name=csrf_token\"\r\nContent-Type: text/plain");
        let typed = format!(
            "content-type: text/plain\r\n{}",
            TOKEN.to_ascii_uppercase().replace("CSRF_TOKEN", "csrf_token")
        );
        for (fields, expected) in [
            (&[(TOKEN, "abc")][..], once("abc")),
            (&[(OTHER, "1"), (TOKEN, "a\r\nb"), (OTHER, "")], once("a\r\nb")),
            (&[("Content-Disposition:form-data;name=csrf_token", "abc")], once("abc")),
            (&[(&typed, "abc")], once("abc")),
            (&[(TOKEN, "")], once("")),
            (&[(&file, "--X\r\n--Y\r\n"), (TOKEN, "abc")], once("abc")),
            (&[(TOKEN, "abc"), (TOKEN, "abc")], Field::Repeated),
            (&[(OTHER, "csrf_token=abc")], Field::Absent),
            (&[(&format!("{TOKEN}; filename=x"), "abc")], Field::Absent),
            (&[(&format!("{TOKEN}; filename*=utf-8''x"), "abc")], Field::Absent),
            (&[("Content-Disposition: form-data; name=\"csrf\\_token\"", "abc")], Field::Absent),
            (
                &[("Content-Disposition: form-data; name=\"csrf_token\"; name=\"csrf_token\"", "abc")],
                Field::Malformed,
            ),
            (&[("Content-Disposition: attachment; name=\"csrf_token\"", "abc")], Field::Malformed),
            (&[("Content-Disposition: form-data", "abc")], Field::Malformed),
            (&[("Content-Disposition: form-data; name=\"csrf_token", "abc")], Field::Malformed),
            (&[(&format!("{TOKEN}\r\n{TOKEN}"), "abc")], Field::Malformed),
            (&[(&format!("{TOKEN}\r\n folded"), "abc")], Field::Malformed),
            (&[("Content-Disposition : form-data; name=\"csrf_token\"", "abc")], Field::Malformed),
            (&[("Content-Type: text/plain", "abc")], Field::Malformed),
            (&[("no header", "abc")], Field::Malformed),
            (&[(&format!("{}{TOKEN}", "x: y\r\n".repeat(8)), "abc")], Field::Malformed),
            // A later fault condemns the whole form.
            (&[(TOKEN, "abc"), ("no header", "")], Field::Malformed),
            (&[(TOKEN, "abc\r\n--XXY")], Field::Malformed),
            (&[(TOKEN, "--XX\r\n")], Field::Malformed),
        ] {
            let body = parts(fields);
            assert_eq!(look(TYPE, &form(&body, false)), expected, "{body}");
        }
    }

    #[test]
    fn a_multipart_body_has_its_delimiters() {
        let part = format!("--XX\r\n{TOKEN}\r\n\r\nabc");
        for (body, whole, cut_off) in [
            (format!("{part}\r\n--XX--"), once("abc"), once("abc")),
            (format!("{part}\r\n--XX--\r\nepilogue"), once("abc"), once("abc")),
            (format!("{part}\r\n--XX \t\r\n"), Field::Malformed, once("abc")),
            (format!("{part}\r\n--XX"), Field::Malformed, once("abc")),
            (format!("{part}\r\n--X"), Field::Malformed, Field::Absent),
            (part.clone(), Field::Malformed, Field::Absent),
            (format!("--XX\r\n{TOKEN}\r\n"), Field::Malformed, Field::Absent),
            (format!("--XX\r\n{TOKEN}\r\n--XX--"), Field::Malformed, Field::Absent),
            (format!("--XX\r\n{TOKEN}\r\n--XX--\r\n"), Field::Malformed, Field::Malformed),
            (format!("--XX\r\n{TOKEN}\r\n\r\n--XX--"), Field::Malformed, Field::Malformed),
            ("--XX".into(), Field::Malformed, Field::Absent),
            ("--X".into(), Field::Malformed, Field::Absent),
            (String::new(), Field::Malformed, Field::Absent),
            ("--XX--".into(), Field::Absent, Field::Absent),
            (format!("preamble\r\n{part}\r\n--XX--"), Field::Malformed, Field::Malformed),
            (format!("\r\n{part}\r\n--XX--"), Field::Malformed, Field::Malformed),
            (format!("{part}\n--XX--").replace("\r\n", "\n"), Field::Malformed, Field::Absent),
            (format!("--XXY{}", &part[4..]), Field::Malformed, Field::Malformed),
        ] {
            for (truncated, expected) in [(false, whole), (true, cut_off)] {
                assert_eq!(look(TYPE, &form(&body, truncated)), expected, "{body} {truncated}");
            }
        }
    }

    #[test]
    fn a_long_value_is_not_copied() {
        let long = "a".repeat(60_000);
        for (content_type, body) in [
            ("application/x-www-form-urlencoded", format!("csrf_token={long}")),
            (TYPE, parts(&[(TOKEN, &long)])),
        ] {
            let form = form(&body, false);
            assert_eq!(look(content_type, &form), once(&long[..LONGEST_VALUE]), "{content_type}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300), truncated: bool) {
            let form = Form { body, truncated };
            look("application/x-www-form-urlencoded", &form);
            look(TYPE, &form);
        }

        /// What is made of the pieces that matter is read in one way, however it is cut.
        #[test]
        fn a_prefix_never_says_more_than_the_whole(
            pieces in proptest::collection::vec(
                proptest::sample::select(&["--XX", "\r\n", "--", TOKEN, OTHER, "abc", ":", ";", "\"", "&", "csrf_token=", "=", "XX"][..]),
                0..24,
            ),
            share in 0.0..1.0f64,
        ) {
            let body = pieces.concat();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a short text")]
            let prefix = &body[..(body.len() as f64 * share) as usize];
            for content_type in ["application/x-www-form-urlencoded", TYPE] {
                let (whole, prefix) = (form(&body, false), form(prefix, true));
                if let Field::Once(value) = look(content_type, &prefix) {
                    match look(content_type, &whole) {
                        Field::Once(same) => prop_assert_eq!(value, same),
                        Field::Repeated | Field::Malformed => {}
                        Field::Absent => prop_assert!(false, "{} has it, the whole does not", body),
                    }
                }
            }
        }

        #[test]
        fn what_a_browser_writes_is_found(value in "[ -~]{0,80}", boundary in "[A-Za-z0-9]{1,70}") {
            let encoded: Vec<String> = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let encoded = encoded.concat();
            let plain = form(&format!("a=1&csrf_token={encoded}&b"), false);
            prop_assert_eq!(look("application/x-www-form-urlencoded", &plain), once(&value));
            prop_assume!(!value.contains(&boundary));
            let body = parts_between(&boundary, &[(OTHER, "1"), (TOKEN, &value)]);
            let content_type = format!("multipart/form-data; boundary={boundary}");
            let multipart = form(&body, false);
            prop_assert_eq!(look(&content_type, &multipart), once(&value));
        }
    }
}
