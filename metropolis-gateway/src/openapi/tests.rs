use metropolis::Fault;
use metropolis::catalog::Catalog;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;
use crate::operation;

#[derive(Deserialize, Serialize, JsonSchema)]
struct Address {
    street: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Person {
    id: u32,
    home: Address,
    #[serde(default)]
    tags: Vec<String>,
    age: Option<u8>,
}

mod other {
    use super::*;

    #[derive(Deserialize, JsonSchema)]
    pub(super) struct Address {
        pub(super) city: String,
    }
}

#[derive(Deserialize, JsonSchema)]
struct Elsewhere {
    place: other::Address,
}

#[derive(Debug, thiserror::Error, metropolis::Fault)]
enum PersonFault {
    #[error("no person {0}")]
    #[fault(status = 404, code = "person_not_found")]
    NotFound(u32),
    #[error("too busy")]
    #[fault(status = 503, code = "tired")]
    Tired,
}

/// Changes
/// a person.
///
/// All of it.
#[metropolis::task(subject = "people.{id}.put")]
async fn change(person: Person) -> Result<Person, PersonFault> {
    match person.id {
        0 => Err(PersonFault::Tired),
        1 => Ok(person),
        id => Err(PersonFault::NotFound(id)),
    }
}

#[metropolis::task(subject = "people.get")]
async fn find(person: Person) -> Result<Vec<Person>, Fault> {
    Ok(vec![person])
}

#[metropolis::task(subject = "places.post", status = 202)]
async fn note(elsewhere: Elsewhere) {
    drop(elsewhere.place.city);
}

#[metropolis::task(subject = "raw.put")]
async fn raw(raw: metropolis::Raw) -> metropolis::Raw {
    raw
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
    note: Option<u8>,
}

#[metropolis::task(subject = "names.{name}.post")]
#[deprecated]
async fn name(name: Name) -> String {
    format!("{} {:?}", name.name, name.note)
}

fn all() -> Value {
    let catalog = Catalog::linked().expect("good tasks");
    document(&operation::linked(catalog.entries()))
}

/// Checks one place of the document.
fn check(pointer: &str, expected: Value) {
    let document = all();
    assert_eq!(
        document.pointer(pointer).unwrap_or(&Value::Null),
        &expected,
        "{pointer}"
    );
}

#[test]
fn an_operation_is_named_and_described_by_its_function() {
    check("/paths/~1people~1{id}/put/operationId", json!("change"));
    check(
        "/paths/~1people~1{id}/put/summary",
        json!("Changes a person."),
    );
    check("/paths/~1people~1{id}/put/description", json!("All of it."));
    check("/paths/~1people~1{id}/put/tags", json!(["people"]));
    check("/paths/~1people~1{id}/put/deprecated", Value::Null);
    check("/paths/~1names~1{name}/post/deprecated", json!(true));
    check("/info/title", json!("metropolis-gateway"));
}

#[test]
fn what_is_in_the_path_is_not_in_the_body() {
    let body = "/paths/~1people~1{id}/put/requestBody";
    let schema = format!("{body}/content/application~1json/schema");
    check(&format!("{schema}/required"), json!(["home"]));
    check(&format!("{schema}/properties/id"), Value::Null);
    check(
        &format!("{schema}/properties/home/$ref"),
        json!("#/components/schemas/Address"),
    );
    check(&format!("{body}/required"), json!(true));
    check(
        &format!("{body}/content/application~1x-www-form-urlencoded"),
        Value::Null,
    );
    check("/paths/~1people~1{id}/put/parameters/0/name", json!("id"));
    check(
        "/paths/~1people~1{id}/put/parameters/0/required",
        json!(true),
    );
}

#[test]
fn a_flat_body_can_be_a_form() {
    let form =
        "/paths/~1names~1{name}/post/requestBody/content/application~1x-www-form-urlencoded/schema";
    check(
        &format!("{form}/additionalProperties"),
        json!({ "type": "string" }),
    );
    check(
        &format!("{form}/properties/note/anyOf/1"),
        json!({ "const": "" }),
    );
    check(
        "/paths/~1names~1{name}/post/requestBody/required",
        json!(false),
    );
}

#[test]
fn without_a_body_every_property_is_a_parameter() {
    let parameters = all()["paths"]["/people"]["get"]["parameters"].clone();
    let of = |name: &str| {
        let list = parameters.as_array().expect("a list").iter();
        list.clone()
            .find(|parameter| parameter["name"] == name)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(
        of("home")["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/Address"
    );
    assert_eq!(
        (&of("tags")["style"], &of("tags")["explode"]),
        (&json!("form"), &json!(true))
    );
    assert_eq!(
        (&of("age")["allowEmptyValue"], &of("age")["schema"]["type"]),
        (&json!(true), &json!("integer"))
    );
    assert_eq!(
        (&of("id")["required"], &of("age")["required"]),
        (&json!(true), &json!(false))
    );
}

#[test]
fn types_of_one_name_do_not_collide() {
    check("/components/schemas/Address/required", json!(["street"]));
    check("/components/schemas/Address2/required", json!(["city"]));
    check("/components/schemas/Address3", Value::Null);
    let place =
        "/paths/~1places/post/requestBody/content/application~1json/schema/properties/place";
    check(place, json!({ "$ref": "#/components/schemas/Address2" }));
}

#[test]
fn every_reference_has_a_target() {
    let document = all();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect<'d>(value: &'d Value, found: &mut Vec<&'d str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| collect(member, found));
        }
        _ => {}
    }
}

#[test]
fn a_status_lists_the_codes_of_task_and_gateway() {
    let responses = "/paths/~1people~1{id}/put/responses";
    let codes = |status: u16| {
        format!(
            "{responses}/{status}/content/application~1problem+json/schema/allOf/1/properties/code/enum"
        )
    };
    check(&codes(404), json!(["person_not_found"]));
    let all = all();
    let tired = all
        .pointer(&codes(503))
        .and_then(Value::as_array)
        .expect("codes");
    assert!(
        ["busy", "no_worker", "tired"]
            .iter()
            .all(|code| tired.iter().any(|known| known == code)),
        "{tired:?}"
    );
    check(
        &format!("{responses}/413/$ref"),
        json!("#/components/responses/PayloadTooLarge"),
    );
    check(&format!("{responses}/default"), Value::Null);
    check(
        "/paths/~1people/get/responses/default/$ref",
        json!("#/components/responses/Problem"),
    );
    check("/paths/~1people/get/responses/413", Value::Null);
}

#[test]
fn success_is_what_the_task_returns() {
    let content = |path: &str, status: u16| format!("/paths/{path}/responses/{status}/content");
    check(
        &format!(
            "{}/application~1json/schema/type",
            content("~1people~1{id}/put", 200)
        ),
        json!("object"),
    );
    check(&content("~1places/post", 202), Value::Null);
    check(
        "/paths/~1places/post/responses/202/description",
        json!("Accepted"),
    );
    check(&content("~1raw/put", 200), json!({ "*/*": {} }));
    check("/paths/~1raw/put/requestBody/content", json!({ "*/*": {} }));
}
