//! Contract: what a task promises its callers, as one JSON document, and the hash that document is addressed by.
//!
//! A gateway that has a task's contract serves it as it would serve the task linked in. Whatever the contract of two
//! tasks has in common is in it; what is the endpoint's own (subject, route, timeout) is in the endpoint's metadata.
//! Pure: how a contract travels is `service`'s affair.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::catalog::Entry;

/// A contract's document may have this many bytes.
pub const BYTES_MAX: usize = 8 * 1024 * 1024;

/// What a task promises its callers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contract {
    /// The JSON Schema of its input; `None`, written `null`, when any bytes will do.
    pub input: Option<Value>,
    /// The JSON Schema of its value; `None`, written `null`, when it is raw bytes.
    pub output: Option<Value>,
    /// Whether the reply is empty.
    #[serde(default)]
    pub empty: bool,
    /// HTTP status of success, 200 to 299.
    pub status: u16,
    /// The faults it declares; others may come.
    #[serde(default)]
    pub faults: Vec<DeclaredFault>,
    /// Its documentation, the first line a summary.
    #[serde(default)]
    pub docs: String,
    /// Whether callers should look for another task.
    #[serde(default)]
    pub deprecated: bool,
}

/// One fault of a [`Contract`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredFault {
    /// HTTP status, 400 to 599.
    pub status: u16,
    /// The stable code, by which a caller recognises it.
    pub code: String,
    /// The message as it was declared, placeholders included.
    #[serde(default)]
    pub message: Option<String>,
}

/// The address of a contract: SHA-256 of its document in canonical form (RFC 8785).
///
/// Invariant: 64 lower-case hexadecimal digits, so it is a subject token as it is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContractHash(String);

/// Why a document is not the contract it was taken for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// It is larger than whoever reads it takes.
    #[error("the contract is larger than {max} bytes")]
    TooLarge {
        /// What is taken, [`BYTES_MAX`] at most.
        max: usize,
    },
    /// It is not JSON, is nested too deeply, or lacks what a contract must have.
    #[error("the contract cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Its hash is not the one it was asked for by.
    #[error("the contract's hash is {found}, not {wanted}")]
    Mismatch {
        /// The hash it was asked for by.
        wanted: ContractHash,
        /// The hash it has.
        found: ContractHash,
    },
    /// A field holds what it may not.
    #[error("the contract is wrong: {0}")]
    Wrong(&'static str),
}

impl Contract {
    /// The contract of a task.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let meta = entry.meta();
        Self {
            input: entry.input.as_deref().cloned(),
            output: entry.output.as_deref().cloned(),
            empty: entry.returns_nothing(),
            status: entry.spec.status(),
            faults: entry.spec.faults.iter().map(DeclaredFault::of).collect(),
            docs: meta.docs.to_owned(),
            deprecated: meta.deprecated,
        }
    }

    /// Its address.
    #[must_use]
    pub fn hash(&self) -> ContractHash {
        ContractHash::of(&self.to_value())
    }

    /// The document as it is served.
    ///
    /// Not the canonical form: that one has no integers above 2^53, and a schema's limits must arrive as they are.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        Bytes::from(self.to_value().to_string())
    }

    /// Reads a document that came from somebody, and checks that it is the one asked for.
    ///
    /// # Errors
    /// When it is too large or too deep, is no contract, or has another hash.
    pub fn read(text: &[u8], wanted: &ContractHash) -> Result<Self, ContractError> {
        if text.len() > BYTES_MAX {
            return Err(ContractError::TooLarge { max: BYTES_MAX });
        }
        // serde_json refuses more than 128 levels, so nothing that follows can run out of stack.
        let document: Value = serde_json::from_slice(text)?;
        let found = ContractHash::of(&document);
        if found != *wanted {
            let wanted = wanted.clone();
            return Err(ContractError::Mismatch { wanted, found });
        }
        let contract: Self = serde_json::from_value(document)?;
        contract.check()?;
        Ok(contract)
    }

    fn check(&self) -> Result<(), ContractError> {
        let is_schema = |schema: &Value| schema.is_object() || schema.is_boolean();
        let schemas = [&self.input, &self.output];
        if !schemas.into_iter().flatten().all(is_schema) {
            return Err(ContractError::Wrong("a schema is no object"));
        }
        if !(200..=299).contains(&self.status) {
            return Err(ContractError::Wrong("its status is not 200 to 299"));
        }
        let allowed = |fault: &DeclaredFault| (400..=599).contains(&fault.status);
        if !self.faults.iter().all(allowed) {
            return Err(ContractError::Wrong(
                "the status of a fault is not 400 to 599",
            ));
        }
        Ok(())
    }

    fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("texts, numbers and values have a JSON form")
    }
}

impl DeclaredFault {
    fn of(kind: &crate::fault::FaultKind) -> Self {
        Self {
            status: kind.status,
            code: kind.code.to_owned(),
            message: kind.message.map(str::to_owned),
        }
    }
}

impl ContractHash {
    /// Reads a hash that came from somebody; `None` when it is not 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 64 && text.bytes().all(digit)).then(|| Self(text.to_owned()))
    }

    /// The hash of a document.
    #[must_use]
    pub fn of(document: &Value) -> Self {
        let canonical = serde_json_canonicalizer::to_vec(document)
            .expect("a JSON value, whose numbers are finite, has a canonical form");
        Self(format!("{:x}", Sha256::digest(canonical)))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContractHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ContractHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests;
