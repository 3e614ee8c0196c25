//! Hexadecimal digits, lower case alone: eight of them at a time, in one register.
//!
//! The names of traces and of requests are written and read several times for each request, and are random: a branch for
//! each digit would be guessed wrong half of the time.

/// As many times as there are digits in a register.
const EACH: u64 = 0x0101_0101_0101_0101;

/// What lies between `9` and `a`.
const GAP: u64 = (b'a' - b'9' - 1) as u64;

/// Writes four bytes.
fn digits_of(bytes: [u8; 4]) -> [u8; 8] {
    let all = u64::from(u32::from_be_bytes(bytes));
    let all = (all | all << 16) & 0x0000_ffff_0000_ffff;
    let all = (all | all << 8) & 0x00ff_00ff_00ff_00ff;
    let all = (all | all << 4) & (0x0f * EACH);
    let letters = (all + 6 * EACH) >> 4 & EACH;
    (all + u64::from(b'0') * EACH + letters * GAP).to_be_bytes()
}

/// Reads eight digits, and makes something of what is none.
fn bytes_of(digits: [u8; 8]) -> [u8; 4] {
    let all = u64::from_be_bytes(digits);
    let letters = all >> 6 & EACH;
    let all = (all & (0x0f * EACH)) + 9 * letters;
    let all = (all | all >> 4) & 0x00ff_00ff_00ff_00ff;
    let all = (all | all >> 8) & 0x0000_ffff_0000_ffff;
    ((all | all >> 16) as u32).to_be_bytes()
}

/// Writes bytes, a multiple of four, where there is room for them.
pub(crate) fn write(bytes: &[u8], digits: &mut [u8]) {
    let (bytes, rest) = bytes.as_chunks();
    let (digits, _) = digits.as_chunks_mut();
    debug_assert!(rest.is_empty() && digits.len() >= bytes.len());
    for (bytes, digits) in bytes.iter().zip(digits) {
        *digits = digits_of(*bytes);
    }
}

/// Reads bytes, a multiple of four; `None` where there are not as many digits, or something else is among them.
pub(crate) fn read<const BYTES: usize>(digits: &[u8]) -> Option<[u8; BYTES]> {
    const { assert!(BYTES.is_multiple_of(4)) };
    let mut bytes = [0; BYTES];
    let (chunks, rest) = digits.as_chunks();
    let (fours, _) = bytes.as_chunks_mut();
    let mut is_good = rest.is_empty() && chunks.len() == fours.len();
    for (four, chunk) in fours.iter_mut().zip(chunks) {
        *four = bytes_of(*chunk);
        is_good &= digits_of(*four) == *chunk;
    }
    is_good.then_some(bytes)
}

/// Reads one byte; versions and flags are nearly always the same, so that branches are guessed right.
pub(crate) fn read_byte([high, low]: [u8; 2]) -> Option<u8> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    Some(value(high)? << 4 | value(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_written_and_read() {
        for byte in 0..=u8::MAX {
            let mut digits = [0; 8];
            write(&[byte, !byte, 0, byte], &mut digits);
            let expected = format!("{byte:02x}{:02x}00{byte:02x}", !byte);
            assert_eq!(digits, expected.as_bytes());
            assert_eq!(read(&digits), Some([byte, !byte, 0, byte]));
            assert_eq!(read_byte([digits[0], digits[1]]), Some(byte));
        }
    }

    #[test]
    fn whatever_is_no_digit_is_refused_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let is_digit = byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            for at in 0..8 {
                let mut digits = *b"0f9a7e31";
                digits[at] = byte;
                assert_eq!(read::<4>(&digits).is_some(), is_digit, "{byte} at {at}");
            }
            assert_eq!(read_byte([byte, b'0']).is_some(), is_digit, "{byte}");
            assert_eq!(read_byte([b'0', byte]).is_some(), is_digit, "{byte}");
        }
    }

    #[test]
    fn a_number_of_digits_that_does_not_fit_is_refused() {
        for text in ["", "0", "0000000", "000000000", "0000000000000000"] {
            assert_eq!(read::<4>(text.as_bytes()), None, "{text}");
        }
    }
}
