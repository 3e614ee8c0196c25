//! The last token of a reply subject: which slot it belongs to, and for how long.

use std::num::NonZeroU64;

use bytes::{BufMut, BytesMut};

use super::IN_FLIGHT_MAX;
use crate::hex;
use crate::trace::IN_REPLY;

/// A slot and the random number of whoever has it now, in hexadecimal digits, the number first; where it is half the name of
/// a trace, [`IN_REPLY`] follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bus) struct Token {
    pub(super) slot: usize,
    pub(super) nonce: NonZeroU64,
}

const NONCE_BYTES: usize = 8;
const BYTES: usize = NONCE_BYTES + 4;
const LEN: usize = 2 * BYTES;

/// Few enough requests are in flight that a slot has four bytes.
const _: () = assert!(IN_FLIGHT_MAX < u32::MAX as usize);

impl Token {
    /// How long a token is at most.
    pub(super) const LEN_MAX: usize = LEN + 1;

    pub(super) fn write(self, buffer: &mut BytesMut) {
        let mut bytes = [0; BYTES];
        bytes[..NONCE_BYTES].copy_from_slice(&self.nonce.get().to_be_bytes());
        bytes[NONCE_BYTES..].copy_from_slice(&(self.slot as u32).to_be_bytes());
        let mut digits = [0; LEN];
        hex::write(&bytes, &mut digits);
        buffer.put_slice(&digits);
    }

    /// Reads exactly what [`write`](Self::write) writes, whether it is half the name of a trace or not.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let digits = text.strip_suffix(&[IN_REPLY]).unwrap_or(text);
        let bytes: [u8; BYTES] = hex::read(digits)?;
        let (mut nonce, mut slot) = ([0; NONCE_BYTES], [0; BYTES - NONCE_BYTES]);
        nonce.copy_from_slice(&bytes[..NONCE_BYTES]);
        slot.copy_from_slice(&bytes[NONCE_BYTES..]);
        Some(Self {
            slot: usize::try_from(u32::from_be_bytes(slot)).ok()?,
            nonce: NonZeroU64::new(u64::from_be_bytes(nonce))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_whether_it_names_a_trace_or_not() {
        for (slot, nonce) in [(0, 1), (1, 0xdead_beef), (IN_FLIGHT_MAX, u64::MAX)] {
            let nonce = NonZeroU64::new(nonce).expect("none of these is zero");
            let token = Token { slot, nonce };
            let mut text = BytesMut::new();
            token.write(&mut text);
            assert_eq!(Token::read(&text), Some(token));
            text.put_u8(IN_REPLY);
            assert_eq!(Token::read(&text), Some(token));
            assert_eq!(text.len(), Token::LEN_MAX);
        }
    }

    #[test]
    fn another_spelling_of_a_token_is_none() {
        for text in [
            "",
            "~",
            "0",
            "000000000000000000000000",
            "10000000000000000000000",
            "1000000000000000000000000",
            "+10000000000000000000000",
            "1000000000000000000000aB",
            "10000000000000000000.000",
            "\u{20ac}100000000000000000000",
            "100000000000000000000000-",
            "100000000000000000000000~~",
            "~100000000000000000000000",
        ] {
            assert_eq!(Token::read(text.as_bytes()), None, "{text}");
        }
    }
}
