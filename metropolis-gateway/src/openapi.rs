//! OpenAPI: operations as an OpenAPI 3.1 document, one operation for each route. Pure.
//!
//! It says what the gateway does: which texts a route takes and where, what each status means, and which codes of which
//! fault come with it. Schemas are the ones the workers check by, so what the document allows is not refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use metropolis::route::Route;
use serde_json::{Map, Value, json};

mod components;
mod parameters;
mod responses;

use crate::operation::Operation;
use components::{Components, Names};

/// Describes the operations that have a route.
pub(crate) fn document(operations: &[Arc<Operation>]) -> Value {
    let mut components = Components::default();
    let mut paths: Map<String, Value> = Map::new();
    let mut ids = BTreeSet::new();
    for task in operations {
        let Some(route) = &task.route else { continue };
        let mut operation = operation(task, route, &mut components);
        operation["operationId"] = operation_id(&task.name, &mut ids).into();
        let path = paths.entry(route.path()).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    let mut schemas = components.into_schemas();
    schemas.insert(components::PROBLEM.to_owned(), responses::problem_schema());
    json!({
        "openapi": "3.1.0",
        "info": info(operations),
        "paths": paths,
        "components": { "schemas": schemas, "responses": responses::shared() },
    })
}

/// Named after the package that holds the tasks, as the worker's service is.
fn info(operations: &[Arc<Operation>]) -> Value {
    let first = operations.iter().min_by_key(|task| task.source);
    let title = first.map_or("metropolis", |task| &task.service);
    let version = first.map_or("0.0.0", |task| &task.version);
    json!({ "title": title, "version": version })
}

fn operation(task: &Operation, route: &Route, components: &mut Components) -> Value {
    let contract = task.contract();
    let names = components.adopt(contract.input.as_ref());
    let mut operation = json!({
        "tags": [task.pattern.as_str().split('.').next()],
        "responses": responses::of(task, route, components),
    });
    let (summary, description) = docs(&contract.docs);
    set(&mut operation, "summary", summary);
    set(&mut operation, "description", description);
    set(
        &mut operation,
        "deprecated",
        contract.deprecated.then_some(true),
    );
    let parameters = parameters::of(task, route, &names);
    set(
        &mut operation,
        "parameters",
        (!parameters.is_empty()).then_some(parameters),
    );
    set(
        &mut operation,
        "requestBody",
        request_body(task, route, &names),
    );
    operation
}

/// The task's name; tasks of one name in different modules are numbered in the order of their subjects.
fn operation_id(name: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2_u32..).map(|number| format!("{name}_{number}"));
    let mut ids = std::iter::once(name.to_owned()).chain(numbered);
    let id = ids.find(|id| !taken.contains(id)).unwrap_or_default();
    taken.insert(id.clone());
    id
}

fn set(object: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object[name] = value.into();
    }
}

/// The first paragraph in one line, and what follows it.
fn docs(docs: &str) -> (Option<String>, Option<String>) {
    let (first, rest) = docs.trim().split_once("\n\n").unwrap_or((docs.trim(), ""));
    let summary = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (some(&summary), some(rest.trim()))
}

fn request_body(task: &Operation, route: &Route, names: &Names) -> Option<Value> {
    if !route.method.has_body() {
        return None;
    }
    let Some(input) = &task.contract().input else {
        return Some(json!({ "content": { "*/*": {} } }));
    };
    let in_path: Vec<&str> = route.parameters().collect();
    let mut schema = names.rewritten(input);
    parameters::remove_properties(&mut schema, &in_path);
    let others = || {
        task.shape()
            .properties()
            .filter(|(name, _)| !in_path.contains(name))
    };
    if takes_nothing(task, &in_path) {
        return None;
    }
    let required = !task.shape().is_object() || others().any(|(_, property)| property.required());
    let mut content = json!({ "application/json": { "schema": schema } });
    if let Some(form) = parameters::form(task, &in_path, names) {
        content["application/x-www-form-urlencoded"] = json!({ "schema": form });
    }
    let is_needed = required && !task.shape().is_null();
    Some(json!({ "required": is_needed, "content": content }))
}

/// Whether the path says all there is to say.
fn takes_nothing(task: &Operation, in_path: &[&str]) -> bool {
    let shape = task.shape();
    let all_in_path =
        !in_path.is_empty() && shape.properties().all(|(name, _)| in_path.contains(&name));
    all_in_path
        || (shape.is_null() && !shape.is_object() && is_null(task.contract().input.as_ref()))
}

fn is_null(input: Option<&Value>) -> bool {
    input.is_some_and(|input| input["type"] == "null")
}

#[cfg(test)]
mod tests;
