//! The grammar of subject and queue literals, for good messages only; the runtime stays the authority.
//!
//! `tests/fixtures/subjects.txt` holds what both accept and refuse.

use syn::LitStr;

use crate::errors::subject as refuse;

/// The most bytes a subject or a queue may have.
const LENGTH_MAX: usize = 256;

/// Dot-separated tokens of letters, digits, `_`, `-`, or `{name}`; the first is a word of the user's own.
pub(crate) fn check(subject: &LitStr) -> syn::Result<()> {
    let text = subject.value();
    if text.is_empty() {
        return Err(refuse::empty(subject));
    }
    if text.len() > LENGTH_MAX {
        return Err(refuse::too_long(subject, LENGTH_MAX));
    }
    let tokens: Vec<&str> = text.split('.').collect();
    for (at, token) in tokens.iter().enumerate() {
        check_token(subject, &tokens[..at], token)?;
    }
    Ok(())
}

fn check_token(subject: &LitStr, before: &[&str], token: &str) -> syn::Result<()> {
    let is_first = before.is_empty();
    match parameter(token) {
        Some(_) if is_first => Err(refuse::parameter_first(subject, token)),
        Some(_) if before.contains(&token) => Err(refuse::parameter_twice(subject, token)),
        Some(name) if is_name(name) => Ok(()),
        Some(name) => Err(refuse::bad_parameter(subject, name)),
        None if token.is_empty() => Err(refuse::empty_token(subject, before.last().copied())),
        None if is_first && is_reserved(token) => Err(refuse::reserved(subject, token)),
        None => check_word(subject, token),
    }
}

fn check_word(subject: &LitStr, token: &str) -> syn::Result<()> {
    match token.chars().find(|c| !is_word(*c)) {
        None => Ok(()),
        Some('*' | '>') => Err(refuse::wildcard(subject, token)),
        Some('{' | '}') => Err(refuse::loose_brace(subject, token)),
        Some(wrong) => Err(refuse::bad_character(subject, wrong, token)),
    }
}

/// A queue group is one token.
pub(crate) fn check_queue(queue: &LitStr) -> syn::Result<()> {
    let text = queue.value();
    match text.chars().find(|c| !is_word(*c)) {
        _ if text.is_empty() => Err(refuse::empty_queue(queue)),
        _ if text.len() > LENGTH_MAX => Err(refuse::long_queue(queue, LENGTH_MAX)),
        Some(wrong) => Err(refuse::bad_queue(queue, wrong)),
        None => Ok(()),
    }
}

fn is_reserved(token: &str) -> bool {
    token == "metropolis"
        || ["$", "_INBOX", "_R_"]
            .iter()
            .any(|prefix| token.starts_with(prefix))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// The inside of `{name}`.
pub(crate) fn parameter(token: &str) -> Option<&str> {
    token.strip_prefix('{')?.strip_suffix('}')
}

/// Whether a parameter may be called that: a property name that is also a Rust identifier.
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
