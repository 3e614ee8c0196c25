use schemars::JsonSchema;
use serde_json::json;

use super::*;

fn contract(input: Option<Value>, output: Option<Value>) -> Contract {
    Contract {
        input,
        output,
        empty: false,
        status: 200,
        faults: Vec::new(),
        docs: String::new(),
        deprecated: false,
    }
}

fn texts(old: &Contract, new: &Contract) -> Vec<String> {
    breaking(old, new)
        .iter()
        .map(Difference::to_string)
        .collect()
}

/// Compares two schemas in both directions: as inputs, then as outputs.
#[track_caller]
fn check(old: Value, new: Value, input: &[&str], output: &[&str]) {
    let none = || Some(json!(true));
    let found = texts(
        &contract(Some(old.clone()), none()),
        &contract(Some(new.clone()), none()),
    );
    assert_eq!(found, input, "as inputs: {old} -> {new}");
    let found = texts(
        &contract(none(), Some(old.clone())),
        &contract(none(), Some(new.clone())),
    );
    assert_eq!(found, output, "as outputs: {old} -> {new}");
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required })
}

#[test]
fn properties_come_and_go() {
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer" }));
    let one = object(json!({ "a": text }), &["a"]);
    let optional = object(json!({ "a": text, "b/c": number }), &["a"]);
    let both = object(json!({ "a": text, "b/c": number }), &["a", "b/c"]);
    check(one.clone(), one.clone(), &[], &[]);
    check(one.clone(), optional.clone(), &[], &[]);
    check(
        one.clone(),
        both.clone(),
        &["input /b~1c: is required now"],
        &[],
    );
    check(
        optional.clone(),
        both.clone(),
        &["input /b~1c: is required now"],
        &[],
    );
    check(
        optional.clone(),
        one.clone(),
        &[],
        &["output /b~1c: is gone"],
    );
    check(both.clone(), one, &[], &["output /b~1c: is gone"]);
    check(both, optional, &[], &["output /b~1c: may be missing now"]);
}

#[test]
fn types_narrow_and_widen() {
    let of = |name: Value| object(json!({ "a": { "type": name } }), &["a"]);
    let (text, number, integer) = (
        of(json!("string")),
        of(json!("number")),
        of(json!("integer")),
    );
    let maybe = of(json!(["string", "null"]));
    check(
        text.clone(),
        integer.clone(),
        &["input /a: takes no `string` any more"],
        &["output /a: may be `integer` now"],
    );
    check(
        integer.clone(),
        number.clone(),
        &[],
        &["output /a: may be `number` now"],
    );
    check(
        number,
        integer,
        &["input /a: takes no `number` any more"],
        &[],
    );
    check(
        text.clone(),
        maybe.clone(),
        &[],
        &["output /a: may be `null` now"],
    );
    check(
        maybe,
        text.clone(),
        &["input /a: takes no `null` any more"],
        &[],
    );
    let any = object(json!({ "a": true }), &["a"]);
    check(
        any.clone(),
        text.clone(),
        &["input /a: takes no `any value` any more"],
        &[],
    );
    check(text, any, &[], &["output /a: may be `any value` now"]);
}

#[test]
fn limits_tighten_and_loosen() {
    let of = |low: i64, high: u64| json!({ "type": "integer", "minimum": low, "maximum": high });
    check(
        of(0, 255),
        of(0, 100),
        &["input: `maximum` is 100 now, was 255"],
        &[],
    );
    check(
        of(-128, 127),
        of(0, 255),
        &["input: `minimum` is 0 now, was -128"],
        &["output: `maximum` is 255 now, was 127"],
    );
    let below = json!({ "type": "integer", "minimum": 0, "exclusiveMaximum": 256 });
    check(
        of(0, 255),
        below.clone(),
        &[],
        &["output: `maximum` is 256 now, was 255"],
    );
    check(
        below,
        of(0, 256),
        &[],
        &["output: `maximum` is 256 now, was 256"],
    );
    let text = |max: Value, pattern: Value| json!({ "type": "string", "maxLength": max, "pattern": pattern });
    check(
        json!({ "type": "string" }),
        text(json!(5), json!("^a")),
        &[
            "input: `pattern` is \"^a\" now, was none",
            "input: `maxLength` is 5 now, was none",
        ],
        &[],
    );
    check(
        json!({ "type": "integer", "format": "uint8", "minimum": 0, "maximum": 255 }),
        json!({ "type": "integer", "format": "uint16", "minimum": 0, "maximum": 65535 }),
        &[],
        &["output: `maximum` is 65535 now, was 255"],
    );
}

#[test]
fn listed_values_come_and_go() {
    let of = |values: Value| json!({ "type": "string", "enum": values });
    check(
        of(json!(["a", "b"])),
        of(json!(["a"])),
        &["input: `\"b\"` is not accepted any more"],
        &[],
    );
    check(
        of(json!(["a"])),
        of(json!(["a", "b"])),
        &[],
        &["output: may be `\"b\"` now"],
    );
    check(
        json!({ "type": "string" }),
        of(json!(["a"])),
        &["input: takes certain values only now"],
        &[],
    );
    check(
        json!({ "const": 1 }),
        json!({ "type": "integer" }),
        &[],
        &["output: may have other values now"],
    );
}

#[test]
fn maps_items_and_closed_objects_are_compared() {
    let list = |of: &str| json!({ "type": "array", "items": { "type": of } });
    check(
        list("string"),
        list("integer"),
        &["input /*: takes no `string` any more"],
        &["output /*: may be `integer` now"],
    );
    let map = |of: &str| json!({ "type": "object", "additionalProperties": { "type": of } });
    check(
        map("integer"),
        map("number"),
        &[],
        &["output /*: may be `number` now"],
    );
    let open = object(json!({ "a": true, "b": true }), &[]);
    let mut closed = object(json!({ "a": true }), &[]);
    closed["additionalProperties"] = json!(false);
    check(
        open,
        closed,
        &[
            "input: other properties are refused now",
            "input /b: is refused now",
        ],
        &["output /b: is gone"],
    );
}

#[test]
fn json_and_raw_bytes_are_different_things() {
    let (raw, json) = (
        contract(None, None),
        contract(Some(json!({})), Some(json!({}))),
    );
    assert_eq!(texts(&raw, &raw), [""; 0]);
    assert_eq!(
        texts(&raw, &json),
        [
            "input: is JSON now, was raw bytes",
            "output: is JSON now, was raw bytes"
        ]
    );
    assert_eq!(texts(&json, &raw).len(), 2);
}

/// What schemars makes of real types, old and new.
#[track_caller]
fn check_types<Old: JsonSchema, New: JsonSchema>(input: &[&str], output: &[&str]) {
    let document =
        |mut generator: schemars::SchemaGenerator,
         schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema| {
            let schema = schema(&mut generator);
            crate::schema::document(schema, &mut generator)
        };
    let of = |schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema| {
        contract(
            Some(document(crate::schema::input_generator(), schema)),
            Some(document(crate::schema::output_generator(), schema)),
        )
    };
    let old = of(|generator| generator.subschema_for::<Old>());
    let new = of(|generator| generator.subschema_for::<New>());
    let expected: Vec<&str> = input.iter().chain(output).copied().collect();
    assert_eq!(texts(&old, &new), expected);
}

mod old {
    use super::JsonSchema;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema matters")]
    pub(super) struct Tree {
        name: String,
        parent: Option<Box<Self>>,
        children: Vec<Self>,
        kind: Kind,
    }

    #[derive(JsonSchema)]
    #[serde(tag = "is")]
    #[expect(dead_code, reason = "only its schema matters")]
    pub(super) enum Kind {
        Leaf,
        Branch { leaves: u32 },
    }
}

mod new {
    use super::JsonSchema;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema matters")]
    pub(super) struct Tree {
        name: String,
        parent: Option<Box<Self>>,
        children: Vec<Self>,
        kind: Kind,
        #[serde(default)]
        age: Option<u8>,
    }

    #[derive(JsonSchema)]
    #[serde(tag = "is")]
    #[expect(dead_code, reason = "only its schema matters")]
    pub(super) enum Kind {
        Leaf,
        Branch { leaves: u64 },
        Root,
    }
}

#[test]
fn types_that_contain_themselves_come_to_an_end() {
    check_types::<old::Tree, old::Tree>(&[], &[]);
    check_types::<old::Tree, new::Tree>(
        &[],
        &[
            "output /kind/is: may be `\"Root\"` now",
            "output /kind/leaves: `maximum` is 18446744073709551615 now, was 4294967295",
        ],
    );
    check_types::<new::Kind, old::Kind>(
        &[
            "input /is: `\"Root\"` is not accepted any more",
            "input /leaves: `maximum` is 4294967295 now, was 18446744073709551615",
        ],
        &[],
    );
}

#[test]
fn a_hostile_schema_is_compared_in_bounded_time() {
    let endless = json!({ "$ref": "#" });
    let branches: Vec<Value> = (0..40)
        .map(|at| json!({ "items": { "$ref": "#" }, "maxItems": at }))
        .collect();
    let bushy = json!({ "type": "array", "anyOf": branches });
    let doubling: Map<String, Value> = (0..100)
        .map(|at| {
            let next = json!({ "$ref": format!("#/$defs/{}", at + 1) });
            (at.to_string(), json!({ "anyOf": vec![next; 100] }))
        })
        .collect();
    let doubling = json!({ "$defs": doubling, "$ref": "#/$defs/0" });
    let values: Vec<u32> = (0..50_000).collect();
    let listed = json!({ "enum": values });
    let names: Vec<String> = values.iter().map(u32::to_string).collect();
    let demanding = json!({ "type": "object", "required": names });
    let schemas = [endless, bushy, doubling, listed, demanding];
    let start = std::time::Instant::now();
    for old in &schemas {
        for new in &schemas {
            let mut new = new.clone();
            new["title"] = json!("other");
            let found = breaking(
                &contract(Some(old.clone()), None),
                &contract(Some(new), None),
            );
            assert!(found.len() <= DIFFERENCES_MAX);
        }
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(60));
}
