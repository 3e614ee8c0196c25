//! Random numbers nobody can guess, fetched from the operating system a batch at a time.

/// Numbers fetched at once: a system call per request would cost more than the request's own bookkeeping.
const BATCH: usize = 128;
const NUMBER: usize = size_of::<u64>();

/// An endless supply of unguessable numbers.
pub(super) struct Nonces {
    bytes: [u8; BATCH * NUMBER],
    used: usize,
}

impl Nonces {
    pub(super) fn new() -> Self {
        Self {
            bytes: [0; BATCH * NUMBER],
            used: BATCH,
        }
    }

    pub(super) fn next(&mut self) -> u64 {
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

/// Shows none of the numbers: whoever knows one could answer a request.
impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").finish_non_exhaustive()
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
