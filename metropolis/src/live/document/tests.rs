use std::time::Duration;

use super::*;

const CHARGE: Known<'static> = Known {
    name: "charge",
    subject: "billing.charge",
    annotated: Bounds::annotated(256, Duration::from_secs(30)),
};
const REFUND: Known<'static> = Known {
    name: "refund",
    subject: "billing.{id}.refund",
    annotated: Bounds::annotated(1, Duration::from_millis(500)),
};
/// Another task of a name that is there already.
const OTHER_CHARGE: Known<'static> = Known {
    name: "charge",
    subject: "cards.charge",
    ..REFUND
};

fn read(text: &str, known: &[Known<'_>]) -> Result<Document, String> {
    Document::read(text.as_bytes(), known).map_err(|refusal| refusal.to_string())
}

/// Checks that a document is refused with these words.
fn refuses(text: &str, expected: &[&str]) {
    let refused = Document::read(text.as_bytes(), &[CHARGE, REFUND]);
    let refusal = refused.expect_err(text);
    assert_eq!(refusal.to_string(), expected.join("; "), "{text}");
}

#[test]
fn what_a_document_names_is_changed_and_all_else_is_as_annotated() {
    let text = r#"{"log": "debug", "tasks": {
        "charge": {"concurrency": 10, "timeout": "1s", "paused": true},
        "refund": {}
    }}"#;
    let charge = Bounds {
        concurrency: 10,
        timeout: Duration::from_secs(1),
        paused: true,
    };
    let expected = Document {
        log: Some("debug".to_owned()),
        tasks: vec![charge, REFUND.annotated],
        strangers: Vec::new(),
    };
    assert_eq!(read(text, &[CHARGE, REFUND]), Ok(expected));
    let nothing = Document::none(&[CHARGE, REFUND]);
    for text in ["{}", r#"{"tasks": {}}"#] {
        assert_eq!(read(text, &[CHARGE, REFUND]), Ok(nothing.clone()), "{text}");
    }
}

#[test]
fn bounds_are_those_of_the_annotation() {
    for good in [
        r#"{"concurrency": 1}"#,
        r#"{"concurrency": 1024}"#,
        r#"{"timeout": "1ms"}"#,
        r#"{"timeout": "30s"}"#,
    ] {
        let document = format!(r#"{{"tasks": {{"charge": {good}}}}}"#);
        assert!(read(&document, &[CHARGE]).is_ok(), "{good}");
    }
    let places = "a number from 1 to 1024 (its annotation says 256)";
    let time = r#"a time from "1ms" to "30s" (its annotation says "30s")"#;
    for (member, value, expected) in [
        ("concurrency", "0", places),
        ("concurrency", "1025", places),
        ("concurrency", "-1", places),
        ("concurrency", "1.5", places),
        ("concurrency", r#""10""#, places),
        ("concurrency", "null", places),
        ("timeout", r#""0ms""#, time),
        ("timeout", r#""31s""#, time),
        ("timeout", r#""1.5s""#, time),
        ("timeout", "5", time),
        ("paused", r#""yes""#, "true or false"),
    ] {
        let expected = format!("`{member}` of the task `charge` is {value}, not {expected}");
        let document = format!(r#"{{"tasks": {{"charge": {{"{member}": {value}}}}}}}"#);
        refuses(&document, &[&expected]);
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    refuses(
        r#"{"lgo": "debug", "log": "debg", "tasks": {
            "charge": {"concurency": 1, "concurrency": 0, "timeout": "1d"},
            "refund": 5
        }}"#,
        &[
            "`lgo` is no member of the document; did you mean `log`?",
            "`log` of the document: `debg` is no level; write one of `off`, `error`, `warn`, `info`, `debug`, `trace`, \
             or `target=level`",
            "`concurency` is no member of the task `charge`; did you mean `concurrency`?",
            "`concurrency` of the task `charge` is 0, not a number from 1 to 1024 (its annotation says 256)",
            r#"`timeout` of the task `charge` is "1d", not a time from "1ms" to "30s" (its annotation says "30s")"#,
            "the task `refund` is 5, not an object",
        ],
    );
}

#[test]
fn what_is_no_document_is_refused() {
    refuses(
        "",
        &["the document is no JSON: EOF while parsing a value at line 1 column 0"],
    );
    refuses("[]", &["the document is [], not an object"]);
    refuses(r#"{"tasks": true}"#, &["`tasks` is true, not an object"]);
    refuses(
        r#"{"log": 3}"#,
        &["`log` of the document is 3, not a text such as \"debug\""],
    );
    let large = format!(r#"{{"log": "{}"}}"#, "x".repeat(70_000));
    refuses(
        &large,
        &["the document has 70011 bytes; at most 65536 are read"],
    );
}

#[test]
fn a_task_is_named_by_its_name_or_its_subject() {
    let paused = |text: &str, known: &[Known<'_>]| {
        let document = read(text, known)?;
        Ok(document.tasks.iter().map(|task| task.paused).collect())
    };
    let known = [CHARGE, REFUND, OTHER_CHARGE];
    for (name, expected) in [
        ("refund", Ok(vec![false, true, false])),
        ("billing.{id}.refund", Ok(vec![false, true, false])),
        ("cards.charge", Ok(vec![false, false, true])),
        (
            "charge",
            Err("several tasks are named `charge`; write the subject instead: `billing.charge`, `cards.charge`".to_owned()),
        ),
    ] {
        let text = format!(r#"{{"tasks": {{"{name}": {{"paused": true}}}}}}"#);
        assert_eq!(paused(&text, &known), expected, "{name}");
    }
    let twice = r#"{"tasks": {"charge": {}, "billing.charge": {}}}"#;
    assert_eq!(
        paused(twice, &[CHARGE]),
        Err("the task `charge` is named twice".to_owned())
    );
}

#[test]
fn a_task_that_is_not_served_here_is_told_and_what_it_is_given_is_checked_by_name() {
    let document = read(
        r#"{"tasks": {"chrage": {"paused": true}, "x": {}}}"#,
        &[CHARGE],
    );
    let document = document.expect("no mistake");
    assert_eq!(document.tasks, [CHARGE.annotated]);
    let expected = [
        "`chrage` (did you mean `charge`?)",
        "`x` (there are `charge`)",
    ];
    assert_eq!(document.strangers, expected);
    refuses(
        r#"{"tasks": {"elsewhere": {"pausd": true}}}"#,
        &["`pausd` is no member of the task `elsewhere`; did you mean `paused`?"],
    );
}
