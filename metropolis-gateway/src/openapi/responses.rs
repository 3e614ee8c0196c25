//! What an operation can answer, status by status: the task's value, its faults, and the gateway's own refusals.

use std::collections::BTreeMap;

use http::StatusCode;
use metropolis::route::Route;
use metropolis::wire::{JSON, PROBLEM_JSON};
use serde_json::{Map, Value, json};

use super::components::{Components, PROBLEM};
use crate::operation::Operation;
use crate::status::{OF_BODIES, OF_EVERY_ROUTE, Row};

/// One kind of error: its code and an example of its sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kind<'t> {
    code: &'t str,
    detail: &'t str,
}

type ByStatus<'t> = BTreeMap<u16, Vec<Kind<'t>>>;

/// The responses of one operation. Statuses that only the gateway uses are shared by all operations.
pub(super) fn of(task: &Operation, route: &Route, components: &mut Components) -> Value {
    let own = own(route.method.has_body());
    let mut responses = Map::new();
    let status = task.contract().status;
    responses.insert(status.to_string(), success(task, status, components));
    for status in own.keys() {
        let shared = json!({ "$ref": format!("#/components/responses/{}", name(*status)) });
        responses.insert(status.to_string(), shared);
    }
    for (status, kinds) in faults(task) {
        let gateways = own.get(&status).into_iter().flatten().cloned();
        let all: Vec<Kind<'_>> = kinds.into_iter().chain(gateways).collect();
        responses.insert(status.to_string(), problem(status, &all));
    }
    // A task that names no faults may still answer with one of any status.
    if task.contract().faults.is_empty() {
        let any = json!({ "$ref": format!("#/components/responses/{PROBLEM}") });
        responses.insert("default".to_owned(), any);
    }
    Value::Object(responses)
}

/// The responses that operations share.
pub(super) fn shared() -> Value {
    let all = own(true).into_iter();
    let mut shared: Map<String, Value> = all
        .map(|(status, kinds)| (name(status), problem(status, &kinds)))
        .collect();
    let schema = json!({ "$ref": format!("#/components/schemas/{PROBLEM}") });
    let any =
        json!({ "description": "A fault", "content": { PROBLEM_JSON: { "schema": schema } } });
    shared.insert(PROBLEM.to_owned(), any);
    Value::Object(shared)
}

/// The body of every error (RFC 9457).
pub(super) fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "Why there is no value.",
        "required": ["status", "code"],
        "properties": {
            "status": { "type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status." },
            "code": { "type": "string", "description": "What programs compare." },
            "detail": { "type": "string", "description": "A sentence for people." },
            "data": { "description": "What the fault carries; `pointer` says where an input is wrong." },
            "maybe_executed": { "type": "boolean", "description": "The task may have run although its answer is lost." },
        },
    })
}

/// What the gateway answers by itself.
fn own(has_body: bool) -> ByStatus<'static> {
    let bodies: &[Row] = if has_body { OF_BODIES } else { &[] };
    let rows = OF_EVERY_ROUTE.iter().chain(bodies);
    by_status(rows.map(|row| (row.status, row.code, row.detail)))
}

fn faults(task: &Operation) -> ByStatus<'_> {
    let declared = task.contract().faults.iter();
    by_status(declared.map(|fault| {
        let detail = fault.message.as_deref().unwrap_or_default();
        (fault.status, fault.code.as_str(), detail)
    }))
}

fn by_status<'t>(kinds: impl Iterator<Item = (u16, &'t str, &'t str)>) -> ByStatus<'t> {
    let mut by_status = ByStatus::new();
    for (status, code, detail) in kinds {
        by_status
            .entry(status)
            .or_default()
            .push(Kind { code, detail });
    }
    by_status
}

fn success(task: &Operation, status: u16, components: &mut Components) -> Value {
    let mut response = json!({ "description": reason(status) });
    if task.contract().empty || matches!(status, 204 | 205) {
        return response;
    }
    response["content"] = match &task.contract().output {
        None => json!({ "*/*": {} }),
        Some(output) => {
            let schema = components.adopt(Some(output)).rewritten(output);
            json!({ JSON: { "schema": schema } })
        }
    };
    response
}

fn problem(status: u16, kinds: &[Kind<'_>]) -> Value {
    let mut codes: Vec<&str> = kinds.iter().map(|kind| kind.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let examples: Map<String, Value> = kinds.iter().map(|kind| example(status, kind)).collect();
    let narrowed =
        json!({ "properties": { "status": { "const": status }, "code": { "enum": codes } } });
    let schema =
        json!({ "allOf": [{ "$ref": format!("#/components/schemas/{PROBLEM}") }, narrowed] });
    json!({
        "description": reason(status),
        "content": { PROBLEM_JSON: { "schema": schema, "examples": examples } },
    })
}

fn example(status: u16, kind: &Kind<'_>) -> (String, Value) {
    let value = json!({ "status": status, "code": kind.code, "detail": kind.detail });
    (kind.code.to_owned(), json!({ "value": value }))
}

fn reason(status: u16) -> &'static str {
    let status = StatusCode::from_u16(status).ok();
    status
        .and_then(|status| status.canonical_reason())
        .unwrap_or("A status of the task's own")
}

fn name(status: u16) -> String {
    reason(status).replace(' ', "")
}
