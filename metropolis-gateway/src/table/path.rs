//! The path of a request: one spelling for each, and each parameter decoded once.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Why a path, or a text in the query, cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("a `%` is not followed by two hexadecimal digits")]
    Percent,
    #[error("a percent-encoded text is not UTF-8")]
    NotText,
    #[error("a segment of the path holds a NUL")]
    Nul,
    #[error("a segment of the path is `.` or `..`")]
    Dots,
}

/// The spelling of a path that routes are compared with (RFC 3986 §6.2.2): what needs no encoding is decoded, hex digits
/// are capitals, everything else stays encoded. So `%2F` remains inside its segment.
///
/// # Errors
/// When the encoding is broken, or a segment is `.` or `..` in any spelling: clients remove those before they send.
pub(crate) fn canonical(path: &str) -> Result<Cow<'_, str>, PathError> {
    let canonical = match path.split_once('%') {
        None => Cow::Borrowed(path),
        Some((start, rest)) => Cow::Owned(respelled(start, rest)?),
    };
    if has_dots(&canonical) {
        return Err(PathError::Dots);
    }
    Ok(canonical)
}

fn has_dots(path: &str) -> bool {
    // Most paths have no dot at all, and need not be taken apart.
    let is_dots = |segment| matches!(segment, "." | "..");
    path.as_bytes().contains(&b'.') && path.split('/').any(is_dots)
}

/// `start` has no `%`; `rest` is what followed the first one.
fn respelled(start: &str, rest: &str) -> Result<String, PathError> {
    let mut spelled = String::with_capacity(start.len() + 1 + rest.len());
    spelled.push_str(start);
    for part in rest.split('%') {
        let (digits, literal) = part.split_at_checked(2).ok_or(PathError::Percent)?;
        match byte(digits)? {
            unreserved if is_unreserved(unreserved) => spelled.push(char::from(unreserved)),
            _ => {
                spelled.push('%');
                spelled.push_str(&digits.to_ascii_uppercase());
            }
        }
        spelled.push_str(literal);
    }
    Ok(spelled)
}

fn byte(digits: &str) -> Result<u8, PathError> {
    // `from_str_radix` alone would take `+5`.
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(PathError::Percent);
    }
    u8::from_str_radix(digits, 16).map_err(|_| PathError::Percent)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Decodes the value of a parameter; its encoding is known to be whole.
pub(super) fn decode(value: &str) -> Result<Cow<'_, str>, PathError> {
    let decoded = percent_decode_str(value)
        .decode_utf8()
        .map_err(|_| PathError::NotText)?;
    if decoded.contains('\0') {
        return Err(PathError::Nul);
    }
    Ok(decoded)
}
