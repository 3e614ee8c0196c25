//! The query of a URL and the fields of a form: pairs of texts, decoded once.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::table::PathError;

/// A name and its value.
pub(crate) type Pair<'t> = (Cow<'t, str>, Cow<'t, str>);

/// Reads `a=1&b=2`, where `+` is a blank. A name without `=` has the empty value; empty parts are skipped.
///
/// # Errors
/// Stricter than browsers, which take what they cannot decode as it stands: two readings of one request are one too many.
pub(crate) fn pairs(text: &str) -> Result<Vec<Pair<'_>>, PathError> {
    // Most requests have none, and looking for parts takes longer than this.
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

fn decoded(text: &str) -> Result<Cow<'_, str>, PathError> {
    if !text.contains(['%', '+']) {
        return Ok(Cow::Borrowed(text));
    }
    let spaced = text.replace('+', " ");
    check_percents(&spaced)?;
    let decoded = percent_decode_str(&spaced).decode_utf8();
    Ok(Cow::Owned(
        decoded.map_err(|_| PathError::NotText)?.into_owned(),
    ))
}

fn check_percents(text: &str) -> Result<(), PathError> {
    let whole =
        |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|digit| digit.is_ascii_hexdigit());
    let all_whole = text.split('%').skip(1).all(whole);
    all_whole.then_some(()).ok_or(PathError::Percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let pairs = pairs(text).expect("good text");
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(pairs, expected, "{text}");
    }

    #[test]
    fn names_and_values_are_decoded_once() {
        check("", &[]);
        check("a=1&b=2&a=3", &[("a", "1"), ("b", "2"), ("a", "3")]);
        check("a&=b&&c=", &[("a", ""), ("", "b"), ("c", "")]);
        check("a=b=c", &[("a", "b=c")]);
        check("a+b=c%2Bd+e", &[("a b", "c+d e")]);
        check("%26=%3D%2526", &[("&", "=%26")]);
        check("q=%C3%A9", &[("q", "é")]);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for text in ["a=%", "a=%4", "a=%zz", "%g0=1", "a=%é"] {
            assert_eq!(pairs(text), Err(PathError::Percent), "{text}");
        }
        for text in ["a=%FF", "a=%C0%AE", "%ED%A0%80=1"] {
            assert_eq!(pairs(text), Err(PathError::NotText), "{text}");
        }
    }
}
