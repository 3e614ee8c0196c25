//! Excerpt: what somebody wrote, fit for one line of a log or of `STATS`.

/// The beginning of a text, as one line: controls are spaces, and what is cut off is an ellipsis.
pub(crate) fn excerpt(text: &str, max: usize) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let is_cut = text.chars().nth(max).is_some();
    let start = text.chars().take(max).map(printable);
    start.chain(is_cut.then_some('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_line_and_no_longer_than_it_may_be() {
        assert_eq!(excerpt("äöü", 3), "äöü");
        assert_eq!(excerpt("äöü", 2), "äö…");
        assert_eq!(excerpt("a\nb\u{1b}[1m", 99), "a b [1m");
    }
}
