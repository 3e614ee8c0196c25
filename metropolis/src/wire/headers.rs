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
        check_name(name)?;
        if !is_plain(value) && value.chars().any(char::is_control) {
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
        let of_name = move |(known, _): &(&str, &str)| known.eq_ignore_ascii_case(name);
        self.iter().filter(of_name).map(|(_, value)| value)
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
        let mut rest = self.0.as_str();
        std::iter::from_fn(move || {
            let colon = memchr(b':', rest.as_bytes())?;
            let end = memchr(b'\n', rest.as_bytes())?;
            let value = colon + SEPARATOR.len()..end + 1 - END.len();
            let entry = (&rest[..colon], &rest[value]);
            rest = &rest[end + 1..];
            Some(entry)
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

/// What nearly every value is, told without looking at characters. Every byte is looked at, so that many are at once.
fn is_plain(value: &str) -> bool {
    let bytes = value.bytes();
    bytes.fold(true, |is_plain, byte| {
        is_plain & (b' '..=b'~').contains(&byte)
    })
}

fn check_name(name: &str) -> Result<(), HeaderError> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || !name.bytes().all(good) {
        return Err(HeaderError::Name(name.to_owned()));
    }
    Ok(())
}

/// Blanks at the ends are lost on the wire, so they are taken off before; the usual value has none. async-nats 0.51 takes
/// off whatever Unicode calls white space.
fn trimmed(value: &str) -> &str {
    let is_graphic = |end: Option<&u8>| end.is_none_or(u8::is_ascii_graphic);
    if is_graphic(value.as_bytes().first()) && is_graphic(value.as_bytes().last()) {
        return value;
    }
    let blank = |c: char| c == '\t' || c.is_whitespace() && !c.is_control();
    value.trim_matches(blank)
}
