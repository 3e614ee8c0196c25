//! Random numbers nobody can guess, fetched from the operating system a batch at a time.

use std::cell::RefCell;
use std::num::NonZeroU64;
use std::sync::OnceLock;

/// Numbers fetched at once: a system call per request would cost more than the request's own bookkeeping.
const BATCH: usize = 128;
const NUMBER: usize = size_of::<u64>();

/// An endless supply of numbers.
struct Numbers {
    bytes: [u8; BATCH * NUMBER],
    used: usize,
}

thread_local! {
    static NUMBERS: RefCell<Numbers> = const { RefCell::new(Numbers::new()) };
}

/// A number.
pub(crate) fn number() -> NonZeroU64 {
    NUMBERS.with_borrow_mut(|numbers| {
        loop {
            if let Some(number) = NonZeroU64::new(numbers.next()) {
                return number;
            }
        }
    })
}

/// The number of this process, always the same.
pub(crate) fn of_process() -> NonZeroU64 {
    static NUMBER: OnceLock<NonZeroU64> = OnceLock::new();
    *NUMBER.get_or_init(number)
}

impl Numbers {
    const fn new() -> Self {
        Self {
            bytes: [0; BATCH * NUMBER],
            used: BATCH,
        }
    }

    fn next(&mut self) -> u64 {
        if self.used == BATCH {
            fill(&mut self.bytes);
            self.used = 0;
        }
        let mut number = [0; NUMBER];
        number.copy_from_slice(&self.bytes[self.used * NUMBER..][..NUMBER]);
        self.used += 1;
        u64::from_ne_bytes(number)
    }
}

/// 22 random letters and digits, about 131 bits.
pub(crate) fn token() -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const LENGTH: usize = 22;
    let mut token = String::with_capacity(LENGTH);
    let mut byte = [0];
    while token.len() < LENGTH {
        fill(&mut byte);
        // Two of the 64 values have no letter; taking them modulo 62 would make two letters likelier.
        if let Some(letter) = ALPHABET.get(usize::from(byte[0] & 63)) {
            token.push(char::from(*letter));
        }
    }
    token
}

fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("an operating system that runs us has a random number generator");
}
