use std::num::NonZeroU32;

use serde_json::json;

use super::*;
use crate::fault::Fault;

#[test]
fn a_header_cannot_end_its_line() {
    let mut headers = Headers::new();
    for value in ["a\rb", "a\nb", "a\r\nX: y", "a\0b", "\u{85}"] {
        assert!(headers.append("name", value).is_err(), "{value:?}");
    }
    for name in ["", "a b", "a:b", "ä", "a\r\n"] {
        assert!(headers.append(name, "value").is_err(), "{name:?}");
    }
    assert!(headers.is_empty());
}

#[test]
fn header_names_are_found_in_any_case_and_keep_their_values_in_order() {
    let mut headers = Headers::new();
    for (name, value) in [("X-a", "1"), ("x-A", " 2\t"), ("other", "")] {
        headers.append(name, value).expect("a good header");
    }
    assert_eq!(headers.values("x-a").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(headers.get("OTHER"), Some(""));
    headers.append("a", "b: c").expect("a good header");
    assert_eq!(
        (headers.get("a"), headers.get("a: b")),
        (Some("b: c"), None)
    );
    headers.remove("A");
    assert_eq!(
        headers.wire_len(),
        "NATS/1.0\r\nX-a: 1\r\nx-A: 2\r\nother: \r\n\r\n".len()
    );
    assert_eq!(Headers::new().wire_len(), 0);
}

#[test]
fn a_fault_comes_back_with_its_public_half_alone() {
    let fault = Fault::new(404, "user_not_found", "no user 5")
        .with_data(json!({"id": 5}))
        .with_cause("secret");
    let (headers, payload) = Reply::Fault(fault).encode("worker-1");
    assert!(!String::from_utf8_lossy(&payload).contains("secret"));
    let Reply::Fault(read) = Reply::decode(headers, payload) else {
        panic!("a fault stays one");
    };
    assert_eq!(
        (read.status(), read.code(), read.message()),
        (404, "user_not_found", "no user 5")
    );
    assert_eq!(read.data(), Some(&json!({"id": 5})));
    assert!(read.cause().is_none());
}

#[test]
fn a_message_of_several_lines_becomes_one_clean_header() {
    let fault = Fault::new(400, "c", "one\r\ntwo\u{7f}\tü");
    let (headers, payload) = Reply::Fault(fault).encode("i");
    assert_eq!(headers.get(ERROR), Some("one  two  ?"));
    let Reply::Fault(read) = Reply::decode(headers, payload) else {
        panic!("a fault stays one");
    };
    assert_eq!(
        read.message(),
        "one\r\ntwo\u{7f}\tü",
        "the body keeps the whole text"
    );
}

#[test]
fn what_did_not_start_says_so_in_a_header_alone() {
    let retry_after = Duration::from_millis(1500);
    let busy = |places| NotStarted::Busy {
        retry_after,
        places: NonZeroU32::new(places),
    };
    for why in [busy(0), busy(512), NotStarted::Expired] {
        let (headers, payload) = Reply::NotStarted(why).encode("i");
        let Reply::NotStarted(read) = Reply::decode(headers.clone(), payload.clone()) else {
            panic!("{why:?} stays so");
        };
        assert_eq!(read, why);
        let mut stripped = headers;
        stripped.remove(NOT_STARTED);
        assert!(matches!(Reply::decode(stripped, payload), Reply::Fault(_)));
    }
}

#[test]
fn no_reply_of_a_hostile_worker_fails_to_be_read() {
    for (code, body) in [
        ("abc", ""),
        ("0", "{}"),
        ("99999", "[1]"),
        ("404", "{\"status\":\"x\"}"),
        ("", "\u{0}"),
    ] {
        let mut headers = Headers::new();
        headers.append(ERROR_CODE, code).expect("printable");
        let Reply::Fault(fault) = Reply::decode(headers, Bytes::from_static(body.as_bytes()))
        else {
            panic!("an error code makes a fault");
        };
        assert!((400..=599).contains(&fault.status()), "{code}");
    }
}
