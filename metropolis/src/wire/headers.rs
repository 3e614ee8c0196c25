//! Message headers: checked on the way in, so that no value can break out of its line.

use std::borrow::Cow;

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
/// Invariant: names are `[A-Za-z0-9_-]+`, values hold no control character and no blank at either end. Names are kept
/// as they were written and found in any case. Values of one name keep their order; names have none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Cow<'static, str>, String)>);

impl Headers {
    /// No headers; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a value, beside those the name already has.
    ///
    /// # Errors
    /// When the name or the value could not be written as one header line.
    pub fn append(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> Result<(), HeaderError> {
        let (name, value) = (name.into(), value.into());
        check_name(&name)?;
        let value = trimmed(value);
        if !is_plain(&value) && value.chars().any(char::is_control) {
            return Err(HeaderError::Value(name.into_owned()));
        }
        self.0.push((name, value));
        Ok(())
    }

    /// The first value of a name, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// All values of a name, in any case.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let of_name =
            move |entry: &&(Cow<'static, str>, String)| entry.0.eq_ignore_ascii_case(name);
        self.0
            .iter()
            .filter(of_name)
            .map(|(_, value)| value.as_str())
    }

    /// Removes every value of a name, in any case.
    pub fn remove(&mut self, name: &str) {
        self.0
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// Names and values, as they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_str()))
    }

    /// Whether there are none; such a message carries no header block at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of the header block on the wire, which count towards the limit on a payload; 0 without headers.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        const VERSION_AND_END: usize = "NATS/1.0\r\n".len() + "\r\n".len();
        const COLON_AND_END: usize = ": \r\n".len();
        if self.is_empty() {
            return 0;
        }
        let lines = self
            .0
            .iter()
            .map(|(name, value)| name.len() + value.len() + COLON_AND_END);
        VERSION_AND_END + lines.sum::<usize>()
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
fn trimmed(value: String) -> String {
    let is_graphic = |end: Option<&u8>| end.is_none_or(u8::is_ascii_graphic);
    if is_graphic(value.as_bytes().first()) && is_graphic(value.as_bytes().last()) {
        return value;
    }
    let blank = |c: char| c == '\t' || c.is_whitespace() && !c.is_control();
    if value.starts_with(blank) || value.ends_with(blank) {
        return value.trim_matches(blank).to_owned();
    }
    value
}
