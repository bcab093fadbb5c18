//! Numbers as digits `0-9A-Za-z`, always with as many as the greatest needs, and the checksum over them.

use zeroize::Zeroize as _;

/// The last `N` digits of the number that `bytes` are, big-endian. They are zero afterwards.
pub(super) fn encode<const N: usize>(bytes: &mut [u8]) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0;
        for byte in bytes.iter_mut() {
            let value = rest * 256 + u16::from(*byte);
            // Below 256, for `rest` is below 62.
            *byte = (value / 62).to_le_bytes()[0];
            rest = value % 62;
        }
        *digit = written(rest.to_le_bytes()[0]);
    }
    bytes.zeroize();
    digits
}

/// The number that `digits` are, big-endian; `None` where one is no digit, or where it does not fit.
pub(super) fn decode<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0_u8; N];
    for digit in digits {
        let mut carry = u16::from(value(*digit)?);
        for byte in bytes.iter_mut().rev() {
            let value = u16::from(*byte) * 62 + carry;
            [*byte, _] = value.to_le_bytes();
            carry = value >> 8;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(bytes)
}

const fn written(value: u8) -> u8 {
    match value {
        0..=9 => b'0' + value,
        10..=35 => b'A' + (value - 10),
        _ => b'a' + (value - 36),
    }
}

const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'Z' => Some(digit - b'A' + 10),
        b'a'..=b'z' => Some(digit - b'a' + 36),
        _ => None,
    }
}

/// The CRC-32 of zip and Ethernet (ISO-HDLC), bit by bit: a key is too short for a table to be worth it.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let step = |crc: u32, _| (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_their_digits() {
        for (bytes, digits) in [
            ([0, 0, 0, 0], *b"000000"),
            ([0, 0, 0, 61], *b"00000z"),
            ([0, 0, 0, 62], *b"000010"),
            ([0, 0, 0, 35], *b"00000Z"),
            ([0xff, 0xff, 0xff, 0xff], *b"4gfFC3"),
        ] {
            assert_eq!(encode(&mut bytes.clone()), digits, "{bytes:?}");
            assert_eq!(decode(&digits), Some(bytes), "{digits:?}");
        }
        for digits in [b"4gfFC4", b"zzzzzz", b"00000_", b"00000-", b"00000\xff", b"@[`{:/"] {
            assert_eq!(decode::<4>(digits), None, "{digits:?}");
        }
    }

    #[test]
    fn what_was_written_is_wiped() {
        let mut bytes = [7; 32];
        let _: [u8; 3] = encode(&mut bytes);
        assert_eq!(bytes, [0; 32]);
    }

    #[test]
    fn the_checksum_is_the_known_one() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
