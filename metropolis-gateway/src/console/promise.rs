//! What a task promises its callers, as the console shows it: documentation, schemas, faults. Pure.

use std::sync::Arc;

use bytes::Bytes;
use metropolis::contract::DeclaredFault;
use serde::Serialize;
use serde_json::Value;

use crate::operation::{Format, Operation};

/// What there is to read about a task, and what its form is made of.
#[derive(Serialize)]
struct Promise<'a> {
    subject: &'a str,
    docs: &'a str,
    deprecated: bool,
    /// The schema of the input; `null` when any bytes will do.
    input: Option<&'a Value>,
    /// The schema of the value; `null` when it is bytes.
    output: Option<&'a Value>,
    /// Whether the reply is empty.
    empty: bool,
    status: u16,
    faults: &'a [DeclaredFault],
    format: &'static str,
}

/// The promise of the task with this subject as declared; `null` when the gateway knows none.
pub(super) fn of(operations: &[Arc<Operation>], subject: &str) -> Bytes {
    let mut operations = operations.iter();
    let found = operations.find(|operation| operation.pattern.as_str() == subject);
    let promise = found.map(|operation| {
        let contract = operation.contract();
        Promise {
            subject: operation.pattern.as_str(),
            docs: &contract.docs,
            deprecated: contract.deprecated,
            input: contract.input.as_ref(),
            output: contract.output.as_ref(),
            empty: contract.empty,
            status: contract.status,
            faults: &contract.faults,
            format: match operation.format {
                Format::Json => "json",
                Format::Legacy => "legacy",
            },
        }
    });
    let text = serde_json::to_vec(&promise).expect("texts, numbers and values have a JSON form");
    text.into()
}
