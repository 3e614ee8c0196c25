//! What becomes of bodies: none is changed, and none is let through that the schema forbids.

use super::*;

#[test]
fn bodies_are_never_coerced() {
    refuses::<Page>(r#"{"number": "1"}"#, "/number: `1` is not an integer");
    refuses::<Field<bool>>(r#"{"field": "true"}"#, "/field: `true` is not a boolean");
    refuses::<Field<Vec<u8>>>(r#"{"field": 1}"#, "/field: `1` is not an array");
}

#[test]
fn whole_numbers_are_integers_however_written() {
    accepts::<Page>(r#"{"number": 1.0, "size": 2.50e2, "1.0": "1.0"}"#);
    accepts::<Field<Vec<u8>>>(r#"{"field": [1.0, -0, 0e5, 1E2]}"#);
    accepts::<Field<NumberOrText>>(r#"{"field": 1.0}"#);
    accepts::<Field<u64>>(r#"{"field": 1e19}"#);
    refuses::<Page>(r#"{"number": 1.5}"#, "/number: `1.5` is not an integer");
    refuses::<Field<u64>>(
        r#"{"field": 1e20}"#,
        "/field: `1e+20` is more than 18446744073709551615",
    );
    let input: Field<String> = decode(
        &shape_of::<Field<String>>(),
        &[],
        br#"{"field": "\"1.0", "x": 1.0}"#,
    )
    .unwrap();
    assert_eq!(input.field, "\"1.0");
}

#[test]
fn serde_is_not_laxer_than_the_schema() {
    refuses::<Page>("[1, 2]", "an array is not an object");
    refuses::<Field<Page>>(r#"{"field": [1, 2]}"#, "/field: an array is not an object");
    refuses::<Field<Colour>>(
        r#"{"field": {"red": null}}"#,
        "/field: an object is not a string",
    );
    refuses::<Tagged>(
        r#"["circle", {"size": 1}]"#,
        "an array is in none of the forms that are allowed here",
    );
}

#[test]
fn limits_are_enforced() {
    accepts::<Limited>(r#"{"count": 100, "name": "abc"}"#);
    refuses::<Limited>(
        r#"{"count": 101, "name": "abc"}"#,
        "/count: `101` is more than 100",
    );
    refuses::<Limited>(
        r#"{"count": 0, "name": "abc"}"#,
        "/count: `0` is less than 1",
    );
    refuses::<Limited>(
        r#"{"count": 1, "name": ""}"#,
        "/name: `` is shorter than 1 character",
    );
    refuses::<Limited>(
        r#"{"count": 1, "name": "abcd"}"#,
        "/name: `abcd` is longer than 3 characters",
    );
    refuses::<Limited>(
        r#"{"count": 1, "name": "A"}"#,
        "/name: `A` does not match the pattern `^[a-z]+$`",
    );
    refuses::<Limited>(
        r#"{"count": 1, "name": "a", "tags": ["a", "b", "c"]}"#,
        "/tags: an array has more than 2 items",
    );
    refuses::<Field<BTreeSet<u8>>>(r#"{"field": [1, 1]}"#, "/field: an item is there twice");
}

#[test]
fn errors_point_to_the_mistake() {
    refuses::<Tree>(
        r#"{"name": "a", "children": [{"name": "b"}, {"name": 3}]}"#,
        "/children/1/name: `3` is not a string",
    );
    refuses::<Tree>(
        r#"{"name": "a", "parent": {"children": []}}"#,
        "/parent/name: `name` is missing",
    );
    refuses::<Tagged>(
        r#"{"kind": "circle", "size": 300}"#,
        "/size: `300` is more than 255",
    );
    refuses::<Tagged>(
        r#"{"kind": "square"}"#,
        "an object is in none of the forms that are allowed here",
    );
    refuses::<Field<uuid::Uuid>>(
        r#"{"field": "abc"}"#,
        "/field: UUID parsing failed: invalid length: found 3",
    );
    refuses::<Page>(
        "{",
        "the body is not JSON: EOF while parsing an object at line 1 column 1",
    );
    refuses::<Page>(r#"{"number": 1, "number": 2}"#, "duplicate field `number`");
}

#[test]
fn messages_are_bounded() {
    let long = "ä".repeat(10_000);
    let body = json!({ "field": long }).to_string();
    for error in [
        decode::<Field<uuid::Uuid>>(&shape_of::<Field<uuid::Uuid>>(), &[], body.as_bytes())
            .unwrap_err(),
        decode::<Field<u8>>(&shape_of::<Field<u8>>(), &[], body.as_bytes()).unwrap_err(),
        decode::<Field<Colour>>(
            &shape_of::<Field<Colour>>(),
            &query(&[("field", &long)]),
            b"",
        )
        .unwrap_err(),
        decode::<Field<std::net::IpAddr>>(
            &shape_of::<Field<std::net::IpAddr>>(),
            &[],
            body.as_bytes(),
        )
        .unwrap_err(),
    ] {
        assert!(
            error.message.len() <= MESSAGE_BYTES_MAX,
            "{}",
            error.message
        );
    }
}

#[test]
fn deep_documents_are_refused() {
    let body = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(decode::<Value>(&shape_of::<Value>(), &[], body.as_bytes()).is_err());
    let tree = r#"{"name":"a","children":["#;
    let body = format!("{}{}", tree.repeat(60), "]}".repeat(60));
    accepts::<Tree>(&body);
    let body = format!("{}{}", tree.repeat(1000), "]}".repeat(1000));
    assert!(decode::<Tree>(&shape_of::<Tree>(), &[], body.as_bytes()).is_err());
}
