//! The chunked transfer coding (RFC 9112 §7.1), read strictly, to know where a body ends.
//!
//! Only the frame is looked at: chunk data is skipped by its length. hyper decodes the same bytes afterwards.

use super::Malformed;

/// Bytes of chunk extensions and trailers that one body may have. Nobody needs them; an attacker could send
/// them for ever.
const MAX_OVERHEAD: usize = 16 * 1024;

/// Where in a chunked body we are.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    overhead: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first digit of a chunk's size.
    Start,
    /// After a digit; the size so far.
    Size(u64),
    /// In a chunk extension.
    Extension(u64),
    /// After the CR of the size line.
    SizeLf(u64),
    /// In chunk data; what is left of it.
    Data(u64),
    /// After chunk data.
    DataCr,
    DataLf,
    /// At the beginning of a trailer line; an empty one ends the body.
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    End,
}

impl Chunked {
    pub(super) const fn new() -> Self {
        Self { state: State::Start, overhead: 0 }
    }

    /// Whether the body has ended.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::End
    }

    /// Goes through `bytes` and says how many of them belong to the body.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let State::Data(left) = self.state {
                let skipped = left.min((bytes.len() - at) as u64);
                at += usize::try_from(skipped).unwrap_or(usize::MAX);
                self.state = if skipped == left { State::DataCr } else { State::Data(left - skipped) };
                continue;
            }
            if self.state == State::End {
                break;
            }
            self.state = self.step(byte)?;
            at += 1;
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<State, Malformed> {
        Ok(match (self.state, byte) {
            (State::Start, _) => State::Size(digit(byte).ok_or(Malformed)?),
            (State::Size(size) | State::Extension(size), b'\r') => State::SizeLf(size),
            (State::Size(size), b';') => State::Extension(size),
            (State::Size(size), _) => {
                let digit = digit(byte).ok_or(Malformed)?;
                State::Size(size.checked_mul(16).ok_or(Malformed)? | digit)
            }
            (State::Extension(size), _) => {
                self.spend(byte)?;
                State::Extension(size)
            }
            (State::SizeLf(0) | State::TrailerLf, b'\n') => State::TrailerStart,
            (State::SizeLf(size), b'\n') => State::Data(size),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Start,
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::Trailer, b'\r') => State::TrailerLf,
            // A line that begins with white space would be a folded one (RFC 9112 §5.2).
            (State::TrailerStart, b' ' | b'\t' | b':') => return Err(Malformed),
            (State::TrailerStart | State::Trailer, _) => {
                self.spend(byte)?;
                State::Trailer
            }
            (State::EndLf, b'\n') => State::End,
            _ => return Err(Malformed),
        })
    }

    /// Counts a byte of an extension or trailer, in which no line may end without CR (RFC 9112 §2.2).
    fn spend(&mut self, byte: u8) -> Result<(), Malformed> {
        self.overhead += 1;
        let control = byte < 0x20 && byte != b'\t' || byte == 0x7f;
        if control || self.overhead > MAX_OVERHEAD { Err(Malformed) } else { Ok(()) }
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes belong to the body, fed in pieces of `step` bytes; `None` if it is malformed.
    fn end_of(body: &[u8], step: usize) -> Option<(usize, bool)> {
        let mut chunked = Chunked::new();
        let mut total = 0;
        for piece in body.chunks(step) {
            let used = chunked.advance(piece).ok()?;
            total += used;
            if used < piece.len() {
                break;
            }
        }
        Some((total, chunked.is_done()))
    }

    #[test]
    fn the_end_is_found_in_any_pieces() {
        for (body, expected) in [
            ("0\r\n\r\n", Some((5, true))),
            ("5\r\nhello\r\n0\r\n\r\nGET /", Some((15, true))),
            ("A;name=value\r\n0123456789\r\n0\r\nexpires: never\r\n\r\n", Some((47, true))),
            ("000a\r\n\r\n0\r\n\r\n...\r\n0\r\n\r\n", Some((23, true))),
            ("5\r\nhel", Some((6, false))),
            ("ffffffffffffffff\r\nx", Some((19, false))),
            ("", Some((0, false))),
            // What other parsers forgive, and each forgives differently.
            ("5\nhello\r\n0\r\n\r\n", None),
            ("5\r\nhello\n0\r\n\r\n", None),
            ("5\r\nhelloo\r\n", None),
            ("0\r\n\n", None),
            ("0\n\n", None),
            ("0x5\r\nhello\r\n", None),
            ("+5\r\nhello\r\n", None),
            (" 5\r\nhello\r\n", None),
            ("5 \r\nhello\r\n", None),
            ("\r\n", None),
            ("10000000000000000\r\n", None),
            ("5;a\nb\r\nhello\r\n", None),
            ("0\r\n folded: x\r\n\r\n", None),
            ("0\r\n: x\r\n\r\n", None),
            ("0\r\na: b\nc: d\r\n\r\n", None),
        ] {
            for step in [1, 2, 3, 7, 1024] {
                assert_eq!(end_of(body.as_bytes(), step), expected, "{body:?} in pieces of {step}");
            }
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let endless = [b"5;".as_slice(), &b"x".repeat(MAX_OVERHEAD + 1)].concat();
        assert_eq!(end_of(&endless, 1000), None);
        let endless = [b"0\r\n".as_slice(), &b"a: b\r\n".repeat(MAX_OVERHEAD)].concat();
        assert_eq!(end_of(&endless, 1000), None);
    }
}
