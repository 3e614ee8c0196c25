use serde_json::json;

use super::*;

fn contract() -> Contract {
    Contract {
        input: Some(json!({ "type": "integer", "maximum": u64::MAX })),
        output: None,
        empty: false,
        status: 200,
        faults: Vec::new(),
        docs: "Döcs.".to_owned(),
        deprecated: false,
    }
}

fn read(text: &str) -> Result<Contract, ContractError> {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    Contract::read(text.as_bytes(), &ContractHash::of(&document))
}

#[test]
fn a_contract_comes_back_as_it_was_with_its_large_numbers() {
    let contract = contract();
    let read = Contract::read(&contract.to_json(), &contract.hash()).expect("the same contract");
    assert_eq!(read, contract);
}

#[test]
fn the_hash_is_that_of_the_canonical_form() {
    // `printf '{"a":1,"b":[true,null]}' | sha256sum`
    let expected = "1cc69c7fa23616ca2ec3ee70d24390a6225c8832db8a4c814c7e0e7f942f8668";
    let hash = |text: &str| ContractHash::of(&serde_json::from_str(text).expect("JSON"));
    let one = hash(r#"{"a":1,"b":[true,null]}"#);
    assert_eq!(one, hash(" { \"b\" : [ true, null ], \"\\u0061\" : 1.0 } "));
    assert_eq!(one.as_str(), expected);
}

#[test]
fn another_document_than_the_one_asked_for_is_refused() {
    let error = Contract::read(b"{\"status\":200}", &contract().hash()).expect_err("another");
    assert!(matches!(error, ContractError::Mismatch { .. }), "{error}");
}

#[test]
fn what_is_no_contract_is_refused_whatever_it_is() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let large = format!("\"{}\"", "a".repeat(BYTES_MAX));
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "{\"status\":\"200\"}",
        "{\"status\":404}",
        "{\"status\":200,\"input\":5}",
        "{\"status\":200,\"faults\":[{\"status\":200,\"code\":\"a\"}]}",
        &deep,
        &large,
    ] {
        assert!(read(text).is_err(), "{}", &text[..text.len().min(40)]);
    }
    assert!(read("{\"status\":204}").is_ok());
}

#[test]
fn a_hash_is_64_lower_case_digits() {
    assert!(ContractHash::parse(&"a0".repeat(32)).is_some());
    for text in [
        "",
        "a",
        &"A0".repeat(32),
        &"g0".repeat(32),
        &"a0".repeat(33),
    ] {
        assert!(ContractHash::parse(text).is_none(), "{text}");
    }
}
