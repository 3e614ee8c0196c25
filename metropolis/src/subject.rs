//! Subjects: what a task declares, what a message is published on, and the encoding of a value as one token.
//!
//! A [`Pattern`] is a declared subject and may hold `{name}` parameters; a [`Subject`] is a literal one, ready for
//! the wire. Constructors are the only way in, so the bus never sees a subject nobody has checked. No I/O here.

use std::fmt;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// The longest declared or filled subject, in bytes.
pub const SUBJECT_MAX: usize = 256;

/// The longest reply subject, and the longest sum of subject and reply subject, in bytes.
///
/// A server closes the connection at 4096 bytes of protocol line; this stays far below.
pub const SUBJECT_AND_REPLY_MAX: usize = 1024;

/// Everything but `[A-Za-z0-9_-]` is encoded, `%` included.
const TOKEN_SET: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// What is wrong with a subject, a queue or a token; `Display` quotes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SubjectError(String);

impl SubjectError {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// A literal subject: no wildcard, no empty token, nothing that could break out of a protocol line.
///
/// Invariant: printable ASCII without space, `*` or `>` as a whole token never occurs, at most
/// [`SUBJECT_AND_REPLY_MAX`] bytes. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(Bytes);

impl Subject {
    /// Checks a literal subject.
    ///
    /// # Errors
    /// When the text is empty or too long, has an empty token, is a wildcard, or holds a byte that is not
    /// printable ASCII.
    pub fn parse(text: impl Into<Bytes>) -> Result<Self, SubjectError> {
        let bytes = text.into();
        check_literal(&bytes)?;
        Ok(Self(bytes))
    }

    /// Takes what is known to be a literal subject, because it was made as one here.
    pub(crate) fn known(bytes: Bytes) -> Self {
        debug_assert!(check_literal(&bytes).is_ok(), "{bytes:?}");
        Self(bytes)
    }

    /// The subject as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked to be ASCII by the constructor")
    }

    /// The subject's bytes, shared and not copied.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The same subject with bytes of its own, for whoever keeps it longer than what it was read with.
    #[must_use]
    pub(crate) fn detached(self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// The subject's bytes, without counting one more who shares them.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// One token of a [`Pattern`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// Stands for itself.
    Literal(String),
    /// `{name}`: any one token, whose decoded value becomes the input's property `name`.
    Parameter(String),
}

/// A task's declared subject, such as `users.{id}.get`.
///
/// Invariant: at least one token, the first a literal that is not reserved, no parameter named twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    tokens: Vec<Token>,
}

impl Pattern {
    /// Checks a declared subject by the grammar of `#[task(subject = …)]`.
    ///
    /// # Errors
    /// Says which token is wrong and what may stand there.
    pub fn parse(text: &str) -> Result<Self, SubjectError> {
        check_pattern_length(text)?;
        let tokens = text
            .split('.')
            .map(|token| parse_token(text, token))
            .collect::<Result<Vec<_>, _>>()?;
        check_first(text, &tokens[0])?;
        check_names(text, &tokens)?;
        Ok(Self {
            text: text.to_owned(),
            tokens,
        })
    }

    /// The subject as declared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The tokens in order.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The names of the parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().filter_map(|token| match token {
            Token::Parameter(name) => Some(name.as_str()),
            Token::Literal(_) => None,
        })
    }

    /// The filter to subscribe: each parameter is a `*`.
    #[must_use]
    pub fn filter(&self) -> String {
        let tokens: Vec<&str> = self.tokens.iter().map(filter_token).collect();
        tokens.join(".")
    }

    /// The literal subject of a pattern without parameters, to be made once and kept.
    #[must_use]
    pub fn literal(&self) -> Option<Subject> {
        let literal = self.parameters().next().is_none();
        literal.then(|| Subject(Bytes::copy_from_slice(self.text.as_bytes())))
    }

    /// What it has in common with every pattern that overlaps it: the number of tokens, and the first one. Whoever looks for
    /// those in a crowd needs to look no further.
    #[must_use]
    pub fn neighbourhood(&self) -> (usize, &str) {
        let first = self.text.split('.').next().unwrap_or_default();
        (self.tokens.len(), first)
    }

    /// Whether some message could be delivered to subscribers of both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let pairs = self.tokens.iter().zip(&other.tokens);
        self.tokens.len() == other.tokens.len()
            && pairs.into_iter().all(|(a, b)| tokens_overlap(a, b))
    }

    /// Whether a literal subject is one of this pattern's.
    #[must_use]
    pub fn matches(&self, subject: &str) -> bool {
        let received = subject.split('.');
        let fits = |(token, received): (&Token, &str)| match token {
            Token::Literal(literal) => literal == received,
            Token::Parameter(_) => true,
        };
        received.clone().count() == self.tokens.len() && self.tokens.iter().zip(received).all(fits)
    }

    /// Puts values in place of the parameters; each becomes one encoded token.
    ///
    /// # Errors
    /// When `value` knows no value for a name, a value is empty, or the subject grows past [`SUBJECT_MAX`].
    pub fn fill<'v>(
        &self,
        value: impl Fn(&str) -> Option<&'v str>,
    ) -> Result<Subject, SubjectError> {
        let mut filled = String::with_capacity(self.text.len() + 32);
        for token in &self.tokens {
            if !filled.is_empty() {
                filled.push('.');
            }
            match token {
                Token::Literal(literal) => filled.push_str(literal),
                Token::Parameter(name) => filled.push_str(&filled_token(name, value(name))?),
            }
        }
        if filled.len() > SUBJECT_MAX {
            return Err(SubjectError::new(format!(
                "the values of `{}` make a subject of {} bytes; at most {SUBJECT_MAX} are allowed",
                self.text,
                filled.len()
            )));
        }
        Ok(Self::trusted(filled))
    }

    /// Reads the parameters' values back from a subject that this pattern's filter matched.
    ///
    /// # Errors
    /// When a token is not in the canonical encoding, is not UTF-8 once decoded, or the subject has another shape.
    pub fn values<'s>(&'s self, subject: &str) -> Result<Vec<(&'s str, String)>, SubjectError> {
        let received: Vec<&str> = subject.split('.').collect();
        if received.len() != self.tokens.len() {
            return Err(SubjectError::new(format!(
                "`{subject}` does not have the shape of `{}`",
                self.text
            )));
        }
        let pairs = self.tokens.iter().zip(received);
        pairs
            .filter_map(|(token, received)| match token {
                Token::Parameter(name) => Some((name.as_str(), received)),
                Token::Literal(_) => None,
            })
            .map(|(name, received)| Ok((name, decode_text(received)?)))
            .collect()
    }

    fn trusted(text: String) -> Subject {
        Subject(Bytes::from(text))
    }
}

/// A queue group: its members share the messages of a subject, each message going to one of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Queue(String);

impl Queue {
    /// Checks a queue's name.
    ///
    /// # Errors
    /// When it is empty, too long, or holds anything but `[A-Za-z0-9_-]`.
    pub fn parse(text: &str) -> Result<Self, SubjectError> {
        if !is_token(text) {
            return Err(SubjectError::new(format!(
                "the queue \"{text}\" must be 1 to {SUBJECT_MAX} letters, digits, `_` or `-`"
            )));
        }
        Ok(Self(text.to_owned()))
    }

    /// The queue's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks a subscription's filter: `*` stands for one token, `>` for one or more and only at the end.
///
/// # Errors
/// As [`Subject::parse`], wildcards apart.
pub fn check_filter(filter: &str) -> Result<(), SubjectError> {
    check_bytes(filter.as_bytes(), "filter")?;
    let tokens: Vec<&str> = filter.split('.').collect();
    let inner = &tokens[..tokens.len() - 1];
    if inner.contains(&">") {
        return Err(SubjectError::new(format!(
            "the filter \"{filter}\" has `>` before its end"
        )));
    }
    Ok(())
}

/// Encodes a value as one subject token: every byte outside `[A-Za-z0-9_-]` becomes `%` and two upper-case hex digits.
///
/// Distinct values give distinct tokens. The empty value has none.
#[must_use]
pub fn encode_token(value: &[u8]) -> Option<String> {
    (!value.is_empty()).then(|| percent_encode(value, TOKEN_SET).to_string())
}

/// Decodes a token made by [`encode_token`].
///
/// # Errors
/// When it is not exactly what [`encode_token`] writes, so that value and token stay one to one.
pub fn decode_token(token: &str) -> Result<Vec<u8>, SubjectError> {
    let value: Vec<u8> = percent_decode_str(token).collect();
    match encode_token(&value) {
        Some(canonical) if canonical == token => Ok(value),
        _ => Err(SubjectError::new(format!(
            "the token `{token}` is not in canonical percent-encoding"
        ))),
    }
}

fn decode_text(token: &str) -> Result<String, SubjectError> {
    String::from_utf8(decode_token(token)?)
        .map_err(|_| SubjectError::new(format!("the token `{token}` is not UTF-8 once decoded")))
}

fn filled_token(name: &str, value: Option<&str>) -> Result<String, SubjectError> {
    let value =
        value.ok_or_else(|| SubjectError::new(format!("there is no value for `{{{name}}}`")))?;
    encode_token(value.as_bytes()).ok_or_else(|| {
        SubjectError::new(format!(
            "the value of `{{{name}}}` is empty; a subject token cannot be"
        ))
    })
}

fn filter_token(token: &Token) -> &str {
    match token {
        Token::Literal(literal) => literal,
        Token::Parameter(_) => "*",
    }
}

fn tokens_overlap(a: &Token, b: &Token) -> bool {
    match (a, b) {
        (Token::Literal(a), Token::Literal(b)) => a == b,
        _ => true,
    }
}

/// Whether a text can stand as one token as it is: the names of queues and services.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= SUBJECT_MAX && text.bytes().all(is_token_byte)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn check_literal(bytes: &[u8]) -> Result<(), SubjectError> {
    check_bytes(bytes, "subject")?;
    if bytes
        .split(|byte| *byte == b'.')
        .any(|token| token == b"*" || token == b">")
    {
        return Err(SubjectError::new(format!(
            "the subject \"{}\" holds a wildcard; a message needs a literal one",
            bytes.escape_ascii()
        )));
    }
    Ok(())
}

/// What subjects and filters have in common.
fn check_bytes(bytes: &[u8], what: &str) -> Result<(), SubjectError> {
    let shown = || bytes[..bytes.len().min(SUBJECT_MAX)].escape_ascii();
    if bytes.len() > SUBJECT_AND_REPLY_MAX {
        return Err(SubjectError::new(format!(
            "the {what} \"{}…\" is longer than {SUBJECT_AND_REPLY_MAX} bytes",
            shown()
        )));
    }
    if !bytes.iter().all(u8::is_ascii_graphic) {
        return Err(SubjectError::new(format!(
            "the {what} \"{}\" holds something other than printable ASCII without spaces",
            shown()
        )));
    }
    if bytes.split(|byte| *byte == b'.').any(<[u8]>::is_empty) {
        return Err(SubjectError::new(format!(
            "the {what} \"{}\" has an empty token",
            shown()
        )));
    }
    Ok(())
}

fn check_pattern_length(text: &str) -> Result<(), SubjectError> {
    if text.len() > SUBJECT_MAX {
        return Err(SubjectError::new(format!(
            "the subject has {} bytes; at most {SUBJECT_MAX} are allowed",
            text.len()
        )));
    }
    Ok(())
}

fn parse_token(text: &str, token: &str) -> Result<Token, SubjectError> {
    if token.is_empty() {
        return Err(SubjectError::new(format!(
            "the subject \"{text}\" has an empty token; put one dot between tokens"
        )));
    }
    if token.bytes().all(is_token_byte) {
        return Ok(Token::Literal(token.to_owned()));
    }
    match token
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        Some(name) if is_parameter_name(name) => Ok(Token::Parameter(name.to_owned())),
        _ => Err(SubjectError::new(format!(
            "the subject \"{text}\" has the token `{token}`; a token is `[A-Za-z0-9_-]+` or `{{name}}`"
        ))),
    }
}

/// Whether a name may stand in braces, in a subject or a route: a Rust identifier in ASCII.
pub(crate) fn is_parameter_name(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a subject's first token belongs to NATS or to the framework itself.
pub(crate) fn is_reserved(first: &str) -> bool {
    first == "metropolis"
        || first.starts_with('$')
        || first.starts_with("_INBOX")
        || first.starts_with("_R_")
}

fn check_first(text: &str, first: &Token) -> Result<(), SubjectError> {
    match first {
        Token::Parameter(_) => Err(SubjectError::new(format!(
            "the subject \"{text}\" starts with a parameter; its first token must be a literal"
        ))),
        Token::Literal(first) if is_reserved(first) => Err(SubjectError::new(format!(
            "the subject \"{text}\" starts with `{first}`, which is reserved"
        ))),
        Token::Literal(_) => Ok(()),
    }
}

fn check_names(text: &str, tokens: &[Token]) -> Result<(), SubjectError> {
    let names: Vec<&String> = tokens
        .iter()
        .filter_map(|token| match token {
            Token::Parameter(name) => Some(name),
            Token::Literal(_) => None,
        })
        .collect();
    match (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
        Some(at) => Err(SubjectError::new(format!(
            "the subject \"{text}\" names `{{{}}}` twice",
            names[at]
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
