//! Whatever a stranger sends gives an answer, and what is assembled is JSON.

use proptest::prelude::*;

use super::*;

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Bytes that look like JSON more often than random ones do.
fn almost_json() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "1.0",
        "-0",
        "1e5",
        "null",
        "true",
        "\"field\"",
        "\"number\":",
        " ",
        "é",
        "1e400",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..12)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![almost_json(), prop::collection::vec(any::<u8>(), 0..40)]
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("field".to_owned()),
        Just("number".to_owned()),
        any::<String>()
    ]
}

fn is_an_answer<T: JsonSchema + DeserializeOwned>(
    name: &str,
    value: &str,
    body: &[u8],
) -> Result<(), TestCaseError> {
    let shape = shape_of::<T>();
    let texts = [Text {
        name,
        value,
        place: Place::Query,
    }];
    let _ = decode::<T>(&shape, &[], body);
    let _ = decode::<T>(&shape, &texts, body);
    if let Ok(document) = assemble(&shape, &texts, body)
        && body.is_empty()
    {
        let whole: Value = serde_json::from_slice(&document).unwrap();
        prop_assert!(!shape.is_object() || whole.get(name).is_some());
    }
    Ok(())
}

#[test]
fn noise_is_answered() {
    proptest!(config(), |(name in names(), value: String, body in bytes())| {
        is_an_answer::<Field<u8>>(&name, &value, &body)?;
        is_an_answer::<Field<Vec<f64>>>(&name, &value, &body)?;
        is_an_answer::<Listing>(&name, &value, &body)?;
        is_an_answer::<Tagged>(&name, &value, &body)?;
        is_an_answer::<Field<Page>>(&name, &value, &body)?;
        is_an_answer::<String>(&name, &value, &body)?;
    });
}

#[test]
fn scalars_survive_being_text() {
    proptest!(config(), |(small: i8, wide: u64, wider: i128, float: f64, truth: bool, text in ".+")| {
        prop_assert_eq!(through::<i8>(&small.to_string()), Some(small));
        prop_assert_eq!(through::<u64>(&wide.to_string()), Some(wide));
        prop_assert_eq!(through::<i128>(&wider.to_string()), Some(wider));
        prop_assert_eq!(through::<f64>(&json!(float).to_string()), Some(float));
        prop_assert_eq!(through::<bool>(&truth.to_string()), Some(truth));
        prop_assert_eq!(through::<Option<String>>(&text), Some(Some(text.clone())));
    });
}

fn through<T: JsonSchema + DeserializeOwned>(text: &str) -> Option<T> {
    let input = decode::<Field<T>>(&shape_of::<Field<T>>(), &query(&[("field", text)]), b"");
    input.ok().map(|input| input.field)
}

#[test]
fn rewriting_numbers_keeps_their_value() {
    proptest!(config(), |(digits in "(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", body in bytes())| {
        let _ = integral::integral(&body);
        let document = format!("{{\"1.0\":[\"\\\"1.0\",{digits},-{digits}]}}");
        if let Some(plain) = integral::integral(document.as_bytes()) {
            let before: (Value, Value) = (serde_json::from_str(&document).unwrap(), serde_json::from_slice(&plain).unwrap());
            for index in 0..3 {
                prop_assert_eq!(float_at(&before.0, index), float_at(&before.1, index));
            }
        }
    });
}

fn float_at(document: &Value, index: usize) -> Option<f64> {
    document["1.0"][index].as_f64()
}

#[test]
fn shapes_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Shape>();
}
