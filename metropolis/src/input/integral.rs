//! Numbers such as `1.0`, which JSON Schema calls integers and serde does not.
//!
//! The work is done on the text of the document, digit by digit: no value passes through a float, and what is written
//! otherwise is left as it was.

/// More digits than the longest 128-bit integer has are never an integer that serde could read.
const DIGITS_MAX: usize = 40;

/// Rewrites every whole number of a JSON document that is written with a point or an exponent as plain digits.
///
/// Gives nothing when there is no such number. The document must have been parsed before: other text is copied as it is.
pub(super) fn integral(document: &[u8]) -> Option<Vec<u8>> {
    let mut rewritten = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while at < document.len() {
        let end = at + token_length(&document[at..]);
        if let Some(digits) = std::str::from_utf8(&document[at..end]).ok().and_then(plain) {
            rewritten.extend_from_slice(&document[copied..at]);
            rewritten.extend_from_slice(digits.as_bytes());
            copied = end;
        }
        at = end;
    }
    (copied > 0).then(|| {
        rewritten.extend_from_slice(&document[copied..]);
        rewritten
    })
}

/// The length of the string, number or other single byte that `rest` starts with; `rest` is not empty.
fn token_length(rest: &[u8]) -> usize {
    let tail = &rest[1..];
    match rest[0] {
        b'"' => 1 + string_length(tail),
        b'-' | b'0'..=b'9' => 1 + tail.iter().take_while(|byte| in_number(**byte)).count(),
        _ => 1,
    }
}

fn string_length(tail: &[u8]) -> usize {
    let mut escaped = false;
    let close = tail.iter().position(|byte| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    });
    close.map_or(tail.len(), |close| close + 1)
}

fn in_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-')
}

/// The plain digits of a token, where it is a whole number that is written in another way.
fn plain(token: &str) -> Option<String> {
    if !token.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return None;
    }
    whole(token).filter(|digits| digits != token)
}

/// Writes a JSON number as plain digits, where it is whole and not longer than any integer of ours.
pub(super) fn whole(number: &str) -> Option<String> {
    let (sign, unsigned) = match number.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", number),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let significant = [integer, fraction].concat();
    let digits = significant.trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return Some("0".to_owned());
    }
    let dropped = i64::try_from(digits.len() - kept.len()).ok()?;
    let exponent = exponent.parse::<i32>().ok()?;
    let zeros = i64::from(exponent) - i64::try_from(fraction.len()).ok()? + dropped;
    let zeros = usize::try_from(zeros)
        .ok()
        .filter(|zeros| *zeros <= DIGITS_MAX)?;
    (kept.len() + zeros <= DIGITS_MAX).then(|| format!("{sign}{kept}{}", "0".repeat(zeros)))
}
