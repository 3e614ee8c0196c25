//! Message headers: checked on the way in, so that no value can break out of its line.

use std::fmt;

use memchr::memchr;

/// Why a header was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is empty or holds something outside `[A-Za-z0-9_-]`.
    #[error("the header name {0:?} must be letters, digits, `-` or `_`")]
    Name(String),
    /// The value holds a control character, which could end its line.
    #[error("the value of the header `{0}` holds a control character")]
    Value(String),
}

/// Headers of a message, several values of one name allowed.
///
/// Names are `[A-Za-z0-9_-]+`, values hold no control character and no blank at either end. Names are kept as they were
/// written and found in any case. Values of one name keep their order; names have none.
///
/// Invariant: lines `name: value`, each with its end, as they stand in a message.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(String);

const SEPARATOR: &str = ": ";
const END: &str = "\r\n";

impl Headers {
    /// No headers; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(String::new())
    }

    /// Takes lines over as they stand; `None` unless each is as [`append`](Self::append) would have written it, and ASCII.
    pub(crate) fn of_lines(lines: &str) -> Option<Self> {
        let mut rest = lines.as_bytes();
        while !rest.is_empty() {
            rest = after_plain_line(rest)?;
        }
        Some(Self(lines.to_owned()))
    }

    /// Adds a value, beside those the name already has.
    ///
    /// # Errors
    /// When the name or the value could not be written as one header line.
    pub fn append(
        &mut self,
        name: impl AsRef<str>,
        value: impl AsRef<str>,
    ) -> Result<(), HeaderError> {
        let (name, value) = (name.as_ref(), trimmed(value.as_ref()));
        if name.is_empty() || !name.bytes().all(is_of_name) {
            return Err(HeaderError::Name(name.to_owned()));
        }
        if !is_plain(value.as_bytes()) && value.chars().any(char::is_control) {
            return Err(HeaderError::Value(name.to_owned()));
        }
        self.write_line(name, value);
        Ok(())
    }

    /// The first value of a name, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// All values of a name, in any case.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.lines().filter_map(move |line| {
            let (known, rest) = line.split_at_checked(name.len())?;
            let value = rest.strip_prefix(SEPARATOR)?;
            let is_known = known.eq_ignore_ascii_case(name) && known.bytes().all(is_of_name);
            is_known.then_some(value)
        })
    }

    /// Removes every value of a name, in any case.
    pub fn remove(&mut self, name: &str) {
        if self.get(name).is_none() {
            return;
        }
        let mut others = Self::new();
        for (known, value) in self.iter() {
            if !known.eq_ignore_ascii_case(name) {
                others.write_line(known, value);
            }
        }
        *self = others;
    }

    /// Names and values, as they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines().filter_map(|line| {
            let colon = memchr(b':', line.as_bytes())?;
            Some((&line[..colon], &line[colon + SEPARATOR.len()..]))
        })
    }

    /// The lines, without their ends.
    fn lines(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.0.as_str();
        std::iter::from_fn(move || {
            let end = memchr(b'\n', rest.as_bytes())?;
            let line = &rest[..end + 1 - END.len()];
            rest = &rest[end + 1..];
            Some(line)
        })
    }

    /// Whether there are none; such a message carries no header block at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lines of a header block.
    pub(crate) fn as_lines(&self) -> &str {
        &self.0
    }

    /// Bytes of the header block on the wire, which count towards the limit on a payload; 0 without headers.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        const VERSION_AND_END: usize = "NATS/1.0\r\n".len() + END.len();
        match self.0.len() {
            0 => 0,
            lines => VERSION_AND_END + lines,
        }
    }

    fn write_line(&mut self, name: &str, value: &str) {
        let parts = [name, SEPARATOR, value, END];
        self.0.reserve(parts.iter().map(|part| part.len()).sum());
        self.0.extend(parts);
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// What comes after the first line of a text, if that line can be kept as it stands.
fn after_plain_line(text: &[u8]) -> Option<&[u8]> {
    let name = text.iter().position(|byte| !is_of_name(*byte));
    let rest = text[name.filter(|len| *len > 0)?..].strip_prefix(SEPARATOR.as_bytes())?;
    let (value, rest) = rest.split_at(memchr(b'\r', rest)?);
    let is_good = has_plain_ends(value) && is_plain(value);
    rest.strip_prefix(END.as_bytes()).filter(|_| is_good)
}

/// What nearly every value is, told without looking at characters. Every byte is looked at, so that many are at once.
fn is_plain(value: &[u8]) -> bool {
    let bytes = value.iter();
    bytes.fold(true, |is_plain, byte| {
        is_plain & (b' '..=b'~').contains(byte)
    })
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn has_plain_ends(value: &[u8]) -> bool {
    let is_graphic = |end: Option<&u8>| end.is_none_or(u8::is_ascii_graphic);
    is_graphic(value.first()) && is_graphic(value.last())
}

/// Blanks at the ends are lost on the wire, so they are taken off before; the usual value has none. async-nats 0.51 takes
/// off whatever Unicode calls white space.
fn trimmed(value: &str) -> &str {
    if has_plain_ends(value.as_bytes()) {
        return value;
    }
    let blank = |c: char| c == '\t' || c.is_whitespace() && !c.is_control();
    value.trim_matches(blank)
}
