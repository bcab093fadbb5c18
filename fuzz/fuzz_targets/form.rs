//! Forms: the engine finds the CSRF token in a body where another reader finds it, and nowhere else; and what it finds in
//! a body's beginning is in the whole.
//!
//! An input is a byte that chooses the encoding, two that say where the body is cut, and the body, in which the bytes
//! below [`PIECES`]' length stand for the pieces that forms are made of.

#![no_main]

use std::sync::LazyLock;

use bartizan_core::{
    Decision, DenialCode, Engine, Form, Step, Timestamp,
    csrf_token::{self, Binding},
    session::SessionKey,
};
use bartizan_fuzz::{Fixed, check_reply, engine_with_keys, head, keys};
use libfuzzer_sys::fuzz_target;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    engine_with_keys(
        r#"
        version = 1
        [origin]
        public = ["https://a.example.com"]
        [session]
        [default]
        require = "nothing"
        csrf = "token"
        "#,
    )
});

const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// The token of the client that sends all requests.
static TOKEN: LazyLock<String> = LazyLock::new(|| {
    let binding = Binding::Session(SessionKey::of(b"abc"));
    csrf_token::mint(&keys(), &binding, NOW, &mut Fixed).unwrap()
});

/// What the bytes from 0 stand for in an input; the token comes behind them.
const PIECES: [&[u8]; 14] = [
    b"--XX",
    b"--XX\r\n",
    b"\r\n--XX\r\n",
    b"\r\n--XX--",
    b"\r\n",
    b"Content-Disposition: form-data; name=\"csrf_token\"",
    b"Content-Disposition: form-data; name=\"a\"",
    b"Content-Disposition: form-data; name=csrf_token",
    b"; filename=\"f\"",
    b"Content-Type: text/plain",
    b"csrf_token=",
    b"csrf_token",
    b"\r\n\r\n",
    b"&",
];

/// Another reader of bodies, where it is sure.
type Reader = fn(&[u8]) -> Option<Seen>;

fuzz_target!(|input: &[u8]| {
    let [mode, high, low, written @ ..] = input else { return };
    let body = expand(written);
    let cut = usize::from(u16::from_be_bytes([*high, *low])) % (body.len() + 1);
    let (content_type, read): (&[u8], Reader) = if mode & 1 == 0 {
        (b"application/x-www-form-urlencoded", |body| Some(read_urlencoded(body)))
    } else {
        (b"multipart/form-data; boundary=XX", read_multipart)
    };
    let shown = || body.escape_ascii();

    let whole = decide(content_type, &body, false);
    if let Some(expected) = read(&body) {
        assert_eq!(whole, expected, "{}", shown());
    } else if whole == Seen::Token {
        assert!(has_token_for_a_lenient_reader(&body), "{}", shown());
    }

    let beginning = decide(content_type, &body[..cut], true);
    match beginning {
        // Behind the beginning there may be another one, or a fault.
        Seen::Token => assert!(whole != Seen::Nothing || read(&body).is_none(), "cut at {cut}: {}", shown()),
        Seen::Other => assert_ne!(whole, Seen::Token, "cut at {cut}: {}", shown()),
        Seen::Nothing => {}
    }
    if mode & 1 == 0 {
        let end = body[..cut].iter().rposition(|byte| *byte == b'&').unwrap_or(0);
        assert_eq!(beginning, read_urlencoded(&body[..end]), "cut at {cut}: {}", shown());
    }
});

/// What there is of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// The client's, once.
    Token,
    /// Another one, or more than one.
    Other,
    /// None, or what is no form.
    Nothing,
}

impl Seen {
    fn of<'v>(mut values: impl Iterator<Item = &'v [u8]>) -> Self {
        match (values.next(), values.next()) {
            (None, _) => Self::Nothing,
            (Some(value), None) if value == TOKEN.as_bytes() => Self::Token,
            _ => Self::Other,
        }
    }
}

fn expand(written: &[u8]) -> Vec<u8> {
    let pieces = written.iter().map(|byte| match PIECES.get(usize::from(*byte)) {
        Some(piece) => *piece,
        None if usize::from(*byte) == PIECES.len() => TOKEN.as_bytes(),
        None => std::slice::from_ref(byte),
    });
    pieces.collect::<Vec<_>>().concat()
}

/// What the engine saw, by what it decides.
fn decide(content_type: &[u8], body: &[u8], truncated: bool) -> Seen {
    let headers = [
        (&b"host"[..], &b"a.example.com"[..]),
        (b"origin", b"https://a.example.com"),
        (b"cookie", b"__Host-session=abc"),
        (b"content-type", content_type),
    ];
    let head = head(b"POST", b"/", headers.into_iter());
    let mut evaluation = ENGINE.evaluate(&head, NOW, Fixed);
    let Step::NeedForm { .. } = evaluation.step() else { panic!("the form is not asked for") };
    evaluation.supply_form(Form { body: body.to_vec(), truncated });
    match evaluation.step() {
        Step::Done(Decision::Allow(_)) => Seen::Token,
        Step::Done(Decision::Deny(denial)) => {
            check_reply(denial.reply());
            match denial.reason().code() {
                DenialCode::CsrfTokenInvalid => Seen::Other,
                DenialCode::CsrfTokenMissing => Seen::Nothing,
                code => panic!("refused with {code}"),
            }
        }
        step => panic!("{step:?}"),
    }
}

fn read_urlencoded(body: &[u8]) -> Seen {
    let pairs = form_urlencoded::parse(body).filter(|(name, _)| name == "csrf_token");
    let values: Vec<_> = pairs.map(|(_, value)| value.into_owned()).collect();
    Seen::of(values.iter().map(String::as_bytes))
}

/// Reads a multipart body that is written as browsers write it, by cutting it into pieces; `None` for any other.
fn read_multipart(body: &[u8]) -> Option<Seen> {
    let parts = parts(body);
    // Behind the last delimiter nothing is read.
    let end = parts.iter().position(|part| part.starts_with(b"--"))?;
    if !body.starts_with(b"--XX") {
        return None;
    }
    let mut tokens = Vec::new();
    for part in parts.get(1..end)? {
        let (headers, content) = part.strip_prefix(b"\r\n").and_then(headers_and_content)?;
        if names_the_token(headers)? {
            tokens.push(content);
        }
    }
    Some(Seen::of(tokens.into_iter()))
}

/// Whether the headers of a part are of the token's field; `None` where they are none that a browser writes.
fn names_the_token(headers: &[u8]) -> Option<bool> {
    let mut disposition = None;
    let lines = std::str::from_utf8(headers).ok()?.split("\r\n");
    if lines.clone().count() > 2 {
        return None;
    }
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        if name == "Content-Disposition" && disposition.is_none() {
            disposition = Some(value);
        } else if name != "Content-Type" {
            return None;
        }
    }
    let parameters = disposition?.strip_prefix("form-data; name=\"")?.strip_suffix('"')?;
    let (name, file) = match parameters.split_once("\"; filename=\"") {
        Some((name, file)) => (name, Some(file)),
        None => (parameters, None),
    };
    let is_plain = |text: &str| !text.contains(['"', '\\']);
    (is_plain(name) && file.is_none_or(is_plain)).then_some(name == "csrf_token" && file.is_none())
}

/// Whether a part is the token, and its headers mention the token's field, however they are written.
fn has_token_for_a_lenient_reader(body: &[u8]) -> bool {
    let named = |headers: &[u8]| headers.windows(10).any(|window| window == b"csrf_token");
    let mut parts = parts(body).into_iter().filter_map(headers_and_content);
    parts.any(|(headers, content)| named(headers) && content == TOKEN.as_bytes())
}

/// What stands between the delimiters. The first one's line break may be missing.
fn parts(body: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    if body.starts_with(b"--XX") {
        parts.push(&body[..0]);
        (start, at) = (4, 4);
    }
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(b"\r\n--XX") {
            parts.push(&body[start..at]);
            (start, at) = (at + 6, at + 6);
        } else {
            at += 1;
        }
    }
    parts.push(&body[start..]);
    parts
}

fn headers_and_content(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = part.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((&part[..end], &part[end + 4..]))
}
