use proptest::prelude::*;

use super::*;

/// The grammar the macro crate checks too; both read the same list.
#[test]
fn patterns_accept_and_refuse_what_the_fixture_says() {
    let fixture = include_str!("../../../tests/fixtures/subjects.txt");
    for line in fixture
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let (verdict, rest) = line.split_once(' ').expect("a verdict, then the subject");
        let subject = rest
            .split("   #")
            .next()
            .expect("split gives one")
            .trim_matches('"');
        assert_eq!(Pattern::parse(subject).is_ok(), verdict == "ok", "{line}");
    }
}

#[test]
fn literal_subjects_cannot_break_out_of_a_protocol_line() {
    for text in [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "a b",
        "a\tb",
        "a\r\nPUB x 0",
        "a\0",
        "a.*",
        ">",
        "a.>",
        "\u{a0}",
        "é",
    ] {
        assert!(Subject::parse(text.to_owned()).is_err(), "{text:?}");
    }
    for text in [
        "a",
        "a.b",
        "$SRV.PING",
        "_INBOX.x.y",
        "a.b*c",
        "users.%C3%A9.get",
    ] {
        assert!(Subject::parse(text.to_owned()).is_ok(), "{text:?}");
    }
    assert!(Subject::parse("x".repeat(SUBJECT_AND_REPLY_MAX)).is_ok());
    assert!(Subject::parse("x".repeat(SUBJECT_AND_REPLY_MAX + 1)).is_err());
}

#[test]
fn filters_take_wildcards_as_whole_tokens() {
    for filter in ["a", "a.*", "*.b", "a.>", ">", "*"] {
        assert!(check_filter(filter).is_ok(), "{filter}");
    }
    for filter in ["", "a.>.b", "a..b", "a b", ">.a"] {
        assert!(check_filter(filter).is_err(), "{filter}");
    }
}

#[test]
fn patterns_overlap_where_one_message_fits_both() {
    let overlap = |a: &str, b: &str| {
        let parse = |text| Pattern::parse(text).expect("a good pattern");
        parse(a).overlaps(&parse(b))
    };
    assert!(overlap("users.{id}.get", "users.me.get"));
    assert!(overlap("users.{id}.get", "users.{name}.get"));
    assert!(!overlap("users.{id}.get", "users.{id}.put"));
    assert!(!overlap("users.{id}", "users.{id}.get"));
}

#[test]
fn a_filled_pattern_gives_its_values_back() {
    let pattern = Pattern::parse("users.{id}.get").expect("a good pattern");
    let subject = pattern.fill(|_| Some("a.b/ü%")).expect("a value that fits");
    assert_eq!(subject.as_str(), "users.a%2Eb%2F%C3%BC%25.get");
    let values = pattern.values(subject.as_str()).expect("canonical");
    assert_eq!(values, [("id", "a.b/ü%".to_owned())]);
}

#[test]
fn a_pattern_cannot_be_filled_with_nothing_or_too_much() {
    let pattern = Pattern::parse("users.{id}.get").expect("a good pattern");
    let long = "x".repeat(SUBJECT_MAX);
    assert!(pattern.fill(|_| None).is_err());
    assert!(pattern.fill(|_| Some("")).is_err());
    assert!(pattern.fill(|_| Some(&long)).is_err());
}

#[test]
fn tokens_that_are_not_canonical_are_refused() {
    for token in ["", "%", "%4", "%2e", "%41", "a b", "%ZZ", "ü"] {
        assert!(decode_token(token).is_err(), "{token:?}");
    }
}

proptest! {
    #[test]
    fn token_encoding_is_reversible_and_holds_no_special_byte(value in proptest::collection::vec(any::<u8>(), 1..64)) {
        let token = encode_token(&value).expect("not empty");
        prop_assert!(token.bytes().all(|byte| is_token_byte(byte) || byte == b'%'));
        prop_assert_eq!(decode_token(&token).expect("canonical"), value);
    }

    #[test]
    fn token_encoding_is_injective(a in proptest::collection::vec(any::<u8>(), 1..8), b in proptest::collection::vec(any::<u8>(), 1..8)) {
        prop_assert_eq!(a == b, encode_token(&a) == encode_token(&b));
    }

    #[test]
    fn no_text_makes_a_pattern_panic(text in ".{0,300}") {
        let _ = Pattern::parse(&text);
        let _ = Subject::parse(text.clone());
        let _ = check_filter(&text);
        let _ = decode_token(&text);
    }
}
