//! The properties of an input, as texts: in the path, in the query, in a form.

use metropolis::input::{Property, TextForm};
use metropolis::route::Route;
use metropolis::subject::{SUBJECT_MAX, Token};
use serde_json::{Map, Value, json};

use super::components::Names;
use crate::operation::Operation;

/// What no segment of a path can be: empty, a dot segment, or a text with a NUL.
const SEGMENT_PATTERN: &str = r"^(?!\.{1,2}$)[^\u0000]+$";

/// The parameters of an operation. Where there is no body, whatever is not in the path is in the query.
pub(super) fn of(task: &Operation, route: &Route, names: &Names) -> Vec<Value> {
    let in_path: Vec<&str> = route.parameters().collect();
    let mut parameters: Vec<Value> = in_path
        .iter()
        .filter_map(|name| Some(in_path_of(task, name, task.shape().property(name)?, names)))
        .collect();
    if !route.method.has_body() {
        let others = task
            .shape()
            .properties()
            .filter(|(name, _)| !in_path.contains(name));
        parameters.extend(others.map(|(name, property)| in_query(name, property, names)));
    }
    parameters
}

fn in_path_of(task: &Operation, name: &str, property: &Property, names: &Names) -> Value {
    let mut schema = text_schema(property, names);
    if let Some(text) = plain_text(&mut schema) {
        text.insert("pattern".to_owned(), SEGMENT_PATTERN.into());
        if let Some(max) = token_max(task, name) {
            text.entry("maxLength").or_insert(max.into());
        }
    }
    parameter("path", name, true, property, schema)
}

fn in_query(name: &str, property: &Property, names: &Names) -> Value {
    parameter(
        "query",
        name,
        property.required(),
        property,
        text_schema(property, names),
    )
}

fn parameter(
    place: &str,
    name: &str,
    required: bool,
    property: &Property,
    mut schema: Value,
) -> Value {
    let description = schema
        .as_object_mut()
        .and_then(|schema| schema.remove("description"));
    let mut parameter = json!({ "name": name, "in": place, "required": required });
    if place == "query" && is_nullable(property) {
        parameter["allowEmptyValue"] = true.into();
    }
    match property.form() {
        TextForm::Json => {
            parameter["content"] = json!({ "application/json": { "schema": schema } })
        }
        TextForm::Repeated if place == "query" => {
            parameter["style"] = "form".into();
            parameter["explode"] = true.into();
            parameter["schema"] = schema;
        }
        TextForm::Single | TextForm::Repeated => parameter["schema"] = schema,
    }
    super::set(&mut parameter, "description", description);
    parameter
}

/// The schema of a property that comes as text, which cannot be `null`.
fn text_schema(property: &Property, names: &Names) -> Value {
    without_null(names.rewritten(property.schema()))
}

/// Whether an empty text means that there is no value.
fn is_nullable(property: &Property) -> bool {
    let schema = property.schema().clone();
    property.form() == TextForm::Single && without_null(schema.clone()) != schema
}

fn without_null(mut schema: Value) -> Value {
    let Some(keywords) = schema.as_object_mut() else {
        return schema;
    };
    if keywords.get("default") == Some(&Value::Null) {
        keywords.remove("default");
    }
    if let Some(Value::Array(types)) = keywords.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            keywords.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = keywords.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    for keyword in ["anyOf", "oneOf"] {
        let Some(Value::Array(branches)) = keywords.get_mut(keyword) else {
            continue;
        };
        branches.retain(|branch| branch["type"] != "null");
        if branches.len() == 1 {
            let only = branches.remove(0);
            keywords.remove(keyword);
            return alone(only, keywords);
        }
    }
    schema
}

/// What is left of a choice with one branch: the branch, beside what was said about the choice.
fn alone(branch: Value, keywords: &Map<String, Value>) -> Value {
    let mut whole = without_null(branch);
    if let Some(object) = whole.as_object_mut() {
        for (keyword, value) in keywords {
            object.entry(keyword).or_insert_with(|| value.clone());
        }
    }
    whole
}

/// The keywords of a schema that takes any text.
fn plain_text(schema: &mut Value) -> Option<&mut Map<String, Value>> {
    let keywords = schema.as_object_mut()?;
    let narrowed = ["format", "pattern", "enum", "const", "$ref"];
    let is_plain = keywords.get("type")? == "string"
        && !narrowed
            .iter()
            .any(|keyword| keywords.contains_key(*keyword));
    is_plain.then_some(keywords)
}

/// How long a value can be at most that becomes a token of the subject: what the other tokens leave.
fn token_max(task: &Operation, name: &str) -> Option<usize> {
    let tokens = task.pattern.tokens();
    let is_token = tokens
        .iter()
        .any(|token| matches!(token, Token::Parameter(known) if known == name));
    let others = tokens.iter().map(|token| match token {
        Token::Literal(literal) => literal.len(),
        Token::Parameter(known) => usize::from(known != name),
    });
    let dots = tokens.len() - 1;
    let used = others.sum::<usize>() + dots;
    is_token.then(|| SUBJECT_MAX.saturating_sub(used))
}

/// Takes properties out of the schema of an object that come from elsewhere.
pub(super) fn remove_properties(schema: &mut Value, names: &[&str]) {
    let Some(keywords) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Object(properties)) = keywords.get_mut("properties") {
        properties.retain(|name, _| !names.contains(&name.as_str()));
    }
    if let Some(Value::Array(required)) = keywords.get_mut("required") {
        required.retain(|name| !names.iter().any(|gone| name == gone));
        if required.is_empty() {
            keywords.remove("required");
        }
    }
    for keyword in ["allOf", "anyOf", "oneOf"] {
        if let Some(Value::Array(parts)) = keywords.get_mut(keyword) {
            parts
                .iter_mut()
                .for_each(|part| remove_properties(part, names));
        }
    }
}

/// The schema of a body as form fields; `None` where a property is more than one text. Repeated fields are taken too,
/// but JSON Schema cannot say that one text and a list of one are the same form.
pub(super) fn form(task: &Operation, in_path: &[&str], names: &Names) -> Option<Value> {
    let shape = task.shape();
    let fields = || {
        shape
            .properties()
            .filter(|(name, _)| !in_path.contains(name))
    };
    let is_flat = fields().all(|(_, property)| property.form() == TextForm::Single);
    if !shape.is_object() || !is_flat || fields().next().is_none() {
        return None;
    }
    let required: Vec<&str> = fields()
        .filter(|(_, property)| property.required())
        .map(|(name, _)| name)
        .collect();
    let properties: Map<String, Value> = fields()
        .map(|(name, property)| (name.to_owned(), field(property, names)))
        .collect();
    let others = task
        .contract()
        .input
        .as_ref()
        .and_then(|input| input.get("additionalProperties"));
    let others = others.map_or(json!({ "type": "string" }), |others| {
        names.rewritten(others)
    });
    let mut form =
        json!({ "type": "object", "properties": properties, "additionalProperties": others });
    super::set(
        &mut form,
        "required",
        (!required.is_empty()).then_some(required),
    );
    Some(form)
}

/// The schema of one form field, which may be left empty where the property may be `null`.
fn field(property: &Property, names: &Names) -> Value {
    let mut schema = text_schema(property, names);
    if is_nullable(property) && plain_text(&mut schema).is_none() {
        return json!({ "anyOf": [schema, { "const": "" }] });
    }
    schema
}
