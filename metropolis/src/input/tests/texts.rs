//! What becomes of texts: each is read as its property wants it, and joins the body.

use super::*;

#[test]
fn integers_are_read_in_their_range() {
    check::<u8>("5", json!(5));
    check::<u8>("255", json!(255));
    check::<i8>("-128", json!(-128));
    check::<u8>("-0", json!(0));
    check::<u8>("1.0", json!(1));
    check::<u16>("1e3", json!(1000));
    check::<u64>("18446744073709551615", json!(u64::MAX));
    check::<i64>("-9223372036854775808", json!(i64::MIN));
    refuse::<u8>("abc", "`abc` is not an integer");
    refuse::<u8>("300", "`300` is more than 255");
    refuse::<u8>("-1", "`-1` is less than 0");
    refuse::<i8>("-129", "`-129` is less than -128");
    refuse::<u8>("1.5", "`1.5` is not an integer");
    for text in [
        "", " 5", "+5", "007", "0x10", "5 ", "٣", "1_000", "1.", ".5", "NaN",
    ] {
        refuse::<u8>(text, &format!("`{text}` is not an integer"));
    }
    refuse::<u64>(
        "18446744073709551616",
        "`18446744073709551616` is more than 18446744073709551615",
    );
    refuse::<i64>(
        "9223372036854775808",
        "`9223372036854775808` is more than 9223372036854775807",
    );
    let endless = "9".repeat(300);
    refuse::<i64>(
        &endless,
        &format!("`{}…` is more than 9223372036854775807", &endless[..60]),
    );
    refuse::<std::num::NonZeroU8>("0", "`0` is less than 1");
}

#[test]
fn the_widest_integers_keep_every_digit() {
    let shape = shape_of::<Field<u128>>();
    let largest = u128::MAX.to_string();
    let input: Field<u128> = decode(&shape, &query(&[("field", &largest)]), b"").unwrap();
    assert_eq!(input.field, u128::MAX);
    let input: Field<u128> =
        decode(&shape, &[], format!("{{\"field\":{largest}}}").as_bytes()).unwrap();
    assert_eq!(input.field, u128::MAX);
    assert!(
        decode::<Field<u128>>(
            &shape,
            &query(&[("field", "340282366920938463463374607431768211456")]),
            b""
        )
        .is_err()
    );
    let shape = shape_of::<Field<i128>>();
    let input: Field<i128> =
        decode(&shape, &query(&[("field", &i128::MIN.to_string())]), b"").unwrap();
    assert_eq!(input.field, i128::MIN);
    let input: Field<i128> = decode(&shape, &[], br#"{"field":1e30}"#).unwrap();
    assert_eq!(input.field, 10i128.pow(30));
}

#[test]
fn numbers_are_finite() {
    check::<f64>("1.5", json!(1.5));
    check::<f64>("-2", json!(-2));
    check::<f64>("1e3", json!(1e3));
    for text in [
        "NaN", "inf", "-inf", "Infinity", "1e999", "1,5", "", "1.", "--1",
    ] {
        refuse::<f64>(text, &format!("`{text}` is not a number"));
    }
}

#[test]
fn booleans_have_two_spellings() {
    check::<bool>("true", json!(true));
    check::<bool>("false", json!(false));
    for text in ["True", "1", "yes", ""] {
        refuse::<bool>(text, &format!("`{text}` is not a boolean"));
    }
}

#[test]
fn strings_stay_as_they_are() {
    for text in ["", "5", "null", "true", "a\"b\\c\n\u{0}é", "{}"] {
        check::<String>(text, json!(text));
    }
    check::<uuid::Uuid>(
        "a0b1c2d3-0000-4000-8000-000000000000",
        json!("a0b1c2d3-0000-4000-8000-000000000000"),
    );
    check::<Value>("5", json!("5"));
}

#[test]
fn enums_are_read_by_their_names() {
    check::<Colour>("red", json!("red"));
    refuse::<Colour>("blue", "`blue` is none of `red`, `green`");
    check::<Option<Colour>>("green", json!("green"));
    check::<Option<Colour>>("", json!(null));
    refuse::<Option<Colour>>("null", "`null` is none of `red`, `green`");
}

#[test]
fn constants_may_be_numbers() {
    let shape = Shape::of(&json!({"type": "object", "properties": {
        "level": {"type": "integer", "enum": [1, 2]}, "version": {"const": 3},
    }}));
    let read = |pairs: &[(&str, &str)]| assemble(&shape, &query(pairs), b"").map(Cow::into_owned);
    assert_eq!(
        read(&[("level", "2"), ("version", "3")]).unwrap(),
        br#"{"level":2,"version":3}"#
    );
    assert_eq!(
        read(&[("level", "9")]).unwrap_err().to_string(),
        "/level: `9` is none of `1`, `2`"
    );
    assert_eq!(
        read(&[("version", "x")]).unwrap_err().to_string(),
        "/version: `x` is not `3`"
    );
}

#[test]
fn options_are_none_when_empty_or_absent() {
    check::<Option<u8>>("", json!(null));
    check::<Option<u8>>("7", json!(7));
    check::<Option<String>>("", json!(null));
    check::<Option<String>>("null", json!("null"));
    refuse::<Option<u8>>("null", "`null` is not an integer");
    let input: Field<Option<u8>> = decode(&shape_of::<Field<Option<u8>>>(), &[], b"").unwrap();
    assert_eq!(input.field, None);
}

#[test]
fn repeated_keys_make_an_array() {
    check::<Vec<u8>>("5", json!([5]));
    refuse::<u8>("x", "`x` is not an integer");
    let two = [("field", "1"), ("field", "2")];
    assert_eq!(read::<Field<Vec<u8>>>(&two), Ok(json!({"field": [1, 2]})));
    assert_eq!(
        read::<Field<Option<Vec<u8>>>>(&two),
        Ok(json!({"field": [1, 2]}))
    );
    assert_eq!(
        read::<Field<BTreeSet<u8>>>(&two),
        Ok(json!({"field": [1, 2]}))
    );
    assert_eq!(
        read::<Field<(u8, String)>>(&two),
        Ok(json!({"field": [1, "2"]}))
    );
    let error = read::<Field<Vec<u8>>>(&[("field", "1"), ("field", "x")]).unwrap_err();
    assert_eq!(error, "/field/1: `x` is not an integer");
    let error = read::<Field<u8>>(&two).unwrap_err();
    assert_eq!(error, "/field: `field` is given 2 times by the query");
    let error = read::<Field<Vec<Page>>>(&two).unwrap_err();
    assert_eq!(error, "/field: `field` is given 2 times by the query");
}

#[test]
fn nested_values_travel_as_json() {
    check::<Page>(r#" {"number": 1} "#, json!({"number": 1}));
    check::<Option<Page>>("", json!(null));
    check::<Vec<Page>>(r#"[{"number": 1}]"#, json!([{"number": 1}]));
    check::<BTreeMap<String, u8>>(r#"{"a": 1}"#, json!({"a": 1}));
    refuse::<Page>("5", "`5` is not a JSON object");
    refuse::<Page>(r#"{"number""#, "`{\"number\"` is not a JSON object");
    refuse::<Page>(r#"{},"other":{}"#, "`{},\"other\":{}` is not a JSON object");
    check::<NumberOrText>("5", json!(5));
    check::<NumberOrText>("five", json!("five"));
}

#[test]
fn tagged_enums_are_read_by_their_tag() {
    assert_eq!(
        read::<Tagged>(&[("size", "5"), ("kind", "circle")]),
        Ok(json!({"kind": "circle", "size": 5}))
    );
    assert_eq!(
        read::<Tagged>(&[("size", "5"), ("kind", "label")]),
        Ok(json!({"kind": "label", "size": "5"}))
    );
    let error = read::<Tagged>(&[("kind", "square"), ("size", "5")]).unwrap_err();
    assert_eq!(
        error,
        "/kind: `square` is none of `circle`, `label`, `nothing`"
    );
    let error = read::<Tagged>(&[("kind", "circle"), ("size", "big")]).unwrap_err();
    assert_eq!(error, "/size: `big` is not an integer");
    assert_eq!(
        read::<Adjacent>(&[("kind", "Number"), ("value", "5")]),
        Ok(json!({"kind": "Number", "value": 5}))
    );
    let many = [("kind", "Many"), ("value", "5"), ("value", "6")];
    assert_eq!(
        read::<Adjacent>(&many),
        Ok(json!({"kind": "Many", "value": ["5", "6"]}))
    );
}

#[test]
fn flattened_types_lend_their_properties() {
    let pairs = [("id", "1"), ("number", "2"), ("size", ""), ("more", "-3")];
    assert_eq!(
        read::<Listing>(&pairs),
        Ok(json!({"id": 1, "number": 2, "size": null, "more": -3}))
    );
    let input: Listing = decode(&shape_of::<Listing>(), &query(&pairs), b"").unwrap();
    assert_eq!(input.rest["more"], -3);
    assert_eq!(
        read::<Listing>(&[("more", "x")]).unwrap_err(),
        "/more: `x` is not an integer"
    );
    assert_eq!(
        read::<BTreeMap<String, u8>>(&[("x", "3")]),
        Ok(json!({"x": 3}))
    );
}

#[test]
fn text_of_no_property_stays_a_string() {
    assert_eq!(read::<Page>(&[("other", "3")]), Ok(json!({"other": "3"})));
    assert_eq!(read::<()>(&[("other", "3")]), Ok(json!(null)));
}

#[test]
fn a_property_has_one_place() {
    let shape = shape_of::<Page>();
    let path = Text {
        name: "number",
        value: "1",
        place: Place::Path,
    };
    let form = Text {
        name: "number",
        value: "1",
        place: Place::Form,
    };
    let error =
        |texts: &[Text<'_>], body: &[u8]| assemble(&shape, texts, body).unwrap_err().to_string();
    assert_eq!(
        error(&[path, form], b""),
        "/number: `number` is given by the path and by the form"
    );
    assert_eq!(
        error(&[path], br#"{"number": 1}"#),
        "/number: `number` is given by the path and by the body"
    );
    assert_eq!(
        error(&[form, form], b""),
        "/number: `number` is given 2 times by the form"
    );
}

#[test]
fn a_body_takes_text_in() {
    let shape = shape_of::<Page>();
    let text = [Text {
        name: "number",
        value: "1",
        place: Place::Subject,
    }];
    let whole = |body: &[u8]| {
        let bytes = assemble(&shape, &text, body)
            .map(|bytes| String::from_utf8(bytes.into_owned()).unwrap());
        bytes.map_err(|error| error.to_string())
    };
    assert_eq!(whole(b""), Ok(r#"{"number":1}"#.to_owned()));
    assert_eq!(whole(b" { } "), Ok(r#"{"number":1 } "#.to_owned()));
    assert_eq!(
        whole(br#"{"size": 1.0}"#),
        Ok(r#"{"number":1,"size": 1.0}"#.to_owned())
    );
    let refused = "the body is not a JSON object, so `number` of the subject cannot be part of it";
    assert_eq!(whole(b"[1]"), Err(refused.to_owned()));
    assert_eq!(whole(b"null"), Err(refused.to_owned()));
    assert_eq!(
        whole(b"{"),
        Err("the body is not JSON: EOF while parsing an object at line 1 column 1".to_owned())
    );
    assert!(whole(b"{} {}").is_err());
    assert!(whole(b"{\"size\":1").is_err());
}

#[test]
fn an_empty_body_is_what_the_input_can_be() {
    accepts::<()>("");
    accepts::<Option<Page>>("");
    accepts::<BTreeMap<String, u8>>("");
    refuses::<Page>("", "/number: `number` is missing");
    refuses::<String>("", "the body is empty");
}

#[test]
fn too_many_texts_are_refused() {
    let texts = vec![
        Text {
            name: "a",
            value: "1",
            place: Place::Query
        };
        TEXTS_MAX + 1
    ];
    let error = assemble(&shape_of::<Field<Vec<u8>>>(), &texts, b"").unwrap_err();
    assert_eq!(error.to_string(), "there are more than 256 parameters");
}
