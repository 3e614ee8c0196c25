#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::subject::Subject;
use crate::wire::Headers;

fn operations(text: &[u8]) -> Vec<String> {
    let mut buffer = BytesMut::from(text);
    let mut shown = Vec::new();
    loop {
        match take(&mut buffer) {
            Ok(Some(Operation::Message(frame))) => shown.push(show(frame)),
            Ok(Some(operation)) => shown.push(format!("{operation:?}")),
            Ok(None) => return shown,
            Err(error) => {
                shown.push(format!("{error:?}"));
                return shown;
            }
        }
    }
}

fn show(frame: Frame) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (sid, subject) = (frame.sid, text(frame.subject()));
    let reply = frame.shared_reply().map(|reply| text(&reply));
    let headers = text(frame.headers());
    let payload = text(&frame.into_payload());
    format!("{sid} {subject} {reply:?} {headers:?} {payload:?}")
}

#[test]
fn operations_are_read_one_after_the_other() {
    let text = b"MSG a.b 1 5\r\nhello\r\nPING\r\n+OK\r\nMSG a 22 _INBOX.x 0\r\n\r\nPONG\r\n\
        HMSG h 3 re 21 23\r\nNATS/1.0\r\nName: v\r\n\r\nno\r\n-ERR 'Slow Consumer'\r\nMSG late 1 3\r\nab";
    let expected = [
        r#"1 a.b None "" "hello""#,
        "Ping",
        r#"22 a Some("_INBOX.x") "" """#,
        "Pong",
        r#"3 h Some("re") "NATS/1.0\r\nName: v\r\n\r\n" "no""#,
        r#"Error("Slow Consumer")"#,
    ];
    assert_eq!(operations(text), expected);
}

#[test]
fn every_cut_of_a_stream_reads_the_same() {
    let text = b"INFO {\"version\":\"2.14.6\",\"ldm\":true}\r\nMSG a.b 1 r 5\r\nhello\r\nHMSG a 2 12 14\r\nNATS/1.0\r\n\r\nok\r\nPING\r\n";
    let whole = operations(text);
    assert_eq!(whole.len(), 4);
    for cut in 0..text.len() {
        let mut buffer = BytesMut::from(&text[..cut]);
        let mut shown = Vec::new();
        for rest in [&text[cut..], b""] {
            while let Some(operation) = take(&mut buffer).unwrap() {
                shown.push(match operation {
                    Operation::Message(frame) => show(frame),
                    operation => format!("{operation:?}"),
                });
            }
            buffer.extend_from_slice(rest);
        }
        assert_eq!(shown, whole, "cut at {cut}");
    }
}

#[test]
fn what_has_no_known_end_is_an_error() {
    for text in [
        "HELLO\r\n",
        "MSG a 1\r\n",
        "MSG a 1 r s 5\r\n",
        "MSG a x 5\r\n",
        "MSG a 1 -5\r\n",
        "MSG a 1 99999999999999999999\r\n",
        "MSG a 1 999999999999\r\n",
        "HMSG a 1 5 3\r\nabc\r\n",
        "MSG a 1 3\r\nabcdef\r\n",
        "INFO {\r\n",
        "INFO\r\n",
        "\r\n",
    ] {
        let mut buffer = BytesMut::from(text);
        assert!(take(&mut buffer).is_err(), "{text:?}");
    }
    let mut endless = BytesMut::from(&vec![b'x'; LINE_MAX + 1][..]);
    assert_eq!(take(&mut endless).unwrap_err(), ProtocolError::Line);
}

#[test]
fn messages_are_written_as_a_server_reads_them() {
    let subject = |text: &'static str| Subject::parse(text).unwrap();
    let mut buffer = Vec::new();
    write_publish(&mut buffer, &Outgoing::empty(subject("a.b")));
    let mut headers = Headers::new();
    headers.append("Name", "value").unwrap();
    let with_headers = Outgoing {
        subject: subject("c"),
        reply: Some(subject("re.x")),
        headers,
        payload: Bytes::from_static(b"payload"),
    };
    write_publish(&mut buffer, &with_headers);
    write_subscribe(&mut buffer, "a.*", None, 7);
    write_subscribe(
        &mut buffer,
        "a.*",
        Some(&Queue::parse("workers").unwrap()),
        8,
    );
    write_unsubscribe(&mut buffer, 7);
    let expected = "PUB a.b 0\r\n\r\nHPUB c re.x 25 32\r\nNATS/1.0\r\nName: value\r\n\r\npayload\r\n\
        SUB a.*  7\r\nSUB a.* workers 8\r\nUNSUB 7\r\n";
    assert_eq!(String::from_utf8(buffer).unwrap(), expected);
}

#[test]
fn header_blocks_are_read_leniently_and_what_is_none_is_counted() {
    for (block, status, expected, malformed) in [
        ("NATS/1.0\r\nA: b\r\n\r\n", None, vec![("A", "b")], 0),
        (
            "NATS/1.0\r\nA:b\r\nA: \r\n\r\n",
            None,
            vec![("A", "b"), ("A", "")],
            0,
        ),
        ("NATS/1.0 503\r\n\r\n", Some(503), vec![], 0),
        ("NATS/1.0 503 No Responders\r\n\r\n", Some(503), vec![], 0),
        ("NATS/1.0 5\r\n\r\n", None, vec![], 0),
        ("NATS/2.0\r\nA: b\r\n\r\n", None, vec![("A", "b")], 1),
        (
            "NATS/1.0\r\nA: b\rc\r\nB: c\nd\r\nC: d\r\n\r\n",
            None,
            vec![("C", "d")],
            2,
        ),
        (
            "NATS/1.0\r\nno colon\r\n: empty\r\nA b: c\r\n",
            None,
            vec![],
            3,
        ),
        ("", None, vec![], 1),
    ] {
        let read = headers::read(block.as_bytes());
        let shown: Vec<_> = read.headers.iter().collect();
        assert_eq!(
            (read.status, shown, read.malformed),
            (status, expected, malformed),
            "{block:?}"
        );
    }
    assert_eq!(headers::read(b"NATS/1.0\r\nA: \xff\r\n").malformed, 1);
    assert!(headers::plain(b"NATS/1.0\r\nA: b\r\nC-d_9: e f\r\nG: \r\n\r\n").is_some());
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        operations(&bytes);
        headers::read(&bytes);
    }

    /// The short way gives what the long one would.
    #[test]
    fn a_plain_block_has_the_headers_that_its_lines_have(
        block in "NATS/1\\.0( 503)?\r\n([A-Za-z:_ é-]{1,4}: ?[ -~\t\r\né]{0,5}\r\n){0,3}(\r\n)?"
    ) {
        let block = block.as_bytes();
        if let Some(headers) = headers::plain(block) {
            let expected = headers::Block { headers, ..headers::Block::default() };
            proptest::prop_assert_eq!(headers::read_lines(block), expected);
        }
    }

    #[test]
    fn what_is_written_is_a_plain_block(
        lines in proptest::collection::vec(("[A-Za-z0-9_-]{1,9}", "[!-~]([ -~]{0,9}[!-~])?|"), 1..4)
    ) {
        let mut headers = Headers::new();
        for (name, value) in &lines {
            headers.append(name, value).unwrap();
        }
        let mut block = Vec::new();
        headers::write(&mut block, &headers);
        proptest::prop_assert_eq!(headers::plain(&block), Some(headers));
    }

    #[test]
    fn lines_of_the_right_shape_make_no_panic_either(
        line in "(MSG|HMSG|INFO|-ERR|PING) ?[ a-z0-9]{0,20}\r\n[a-z\r\n]{0,20}"
    ) {
        operations(line.as_bytes());
    }
}
