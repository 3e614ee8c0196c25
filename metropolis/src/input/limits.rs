//! The schema as a judge: is this document allowed, and if not, why.
//!
//! The judging is the work of the `jsonschema` crate. Formats are left to serde, which is stricter about some of them,
//! and so are the bounds of 128-bit integers, which the judge would only see rounded.

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{Draft, ValidationError, Validator};
use serde_json::Value;

use super::{InputError, brief, quoted};

/// Explaining a refusal copies parts of the document for every branch that was tried; past this many bytes the refusal
/// is not explained.
const EXPLAINED_BYTES_MAX: usize = 64 * 1024;

/// A schema, compiled for checking documents.
#[derive(Debug)]
pub(super) struct Limits(Validator);

impl Limits {
    pub(super) fn of(document: &Value) -> Result<Self, String> {
        let mut schema = document.clone();
        forget_wide_bounds(&mut schema);
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .should_validate_formats(false);
        let compiled = options
            .build(&schema)
            .map_err(|error| brief(&error.masked_with("the schema").to_string()));
        compiled.map(Self)
    }

    /// Checks a document, of which `length` is the number of bytes.
    pub(super) fn check(&self, document: &Value, length: usize) -> Result<(), InputError> {
        if self.0.is_valid(document) {
            Ok(())
        } else if length > EXPLAINED_BYTES_MAX {
            Err(InputError::whole(
                "the document is not what the schema of this input allows",
            ))
        } else {
            self.0.validate(document).map_err(|error| explain(&error))
        }
    }
}

fn forget_wide_bounds(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(forget_wide_bounds),
        Value::Object(keywords) => {
            let wide = keywords
                .get("format")
                .is_some_and(|format| format == "int128" || format == "uint128");
            if wide
                && keywords.get("exclusiveMaximum").and_then(Value::as_f64) >= Some(2f64.powi(127))
            {
                keywords.remove("exclusiveMaximum");
            }
            keywords.values_mut().for_each(forget_wide_bounds);
        }
        _ => {}
    }
}

fn explain(error: &ValidationError<'_>) -> InputError {
    if let Kind::AnyOf { context } | Kind::OneOfNotValid { context } = error.kind() {
        return explain_branches(error, context);
    }
    let refused = InputError::whole(brief(&sentence(error)));
    let property = match error.kind() {
        Kind::Required { property } => property.as_str(),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unexpected.first().map(String::as_str)
        }
        _ => None,
    };
    let mut refused = match property {
        Some(property) => refused.below(property),
        None => refused,
    };
    refused
        .pointer
        .insert_str(0, error.instance_path().as_str());
    refused
}

/// Explains why no branch fits by the one that fits best: its tag is right, and it fails deepest inside.
fn explain_branches(
    error: &ValidationError<'_>,
    branches: &[Vec<ValidationError<'static>>],
) -> InputError {
    let here = error.instance_path().as_str();
    let is_other_tag = |error: &ValidationError<'_>| matches!(error.kind(), Kind::Constant { .. });
    let is_other_type = |error: &ValidationError<'_>| {
        matches!(error.kind(), Kind::Type { .. } | Kind::Enum { .. })
            && error.instance_path().as_str() == here
    };
    let candidates = branches.iter().filter(|branch| {
        !branch
            .iter()
            .any(|error| is_other_tag(error) || is_other_type(error))
    });
    let best = candidates
        .filter_map(|branch| branch.first())
        .max_by_key(|error| error.instance_path().as_str().len());
    if let Some(best) = best {
        return explain(best);
    }
    let mut refused = InputError::whole(format!(
        "{} is in none of the forms that are allowed here",
        shown(error.instance())
    ));
    here.clone_into(&mut refused.pointer);
    refused
}

fn sentence(error: &ValidationError<'_>) -> String {
    let value = shown(error.instance());
    match error.kind() {
        Kind::Type {
            kind: TypeKind::Single(only),
        } => format!("{value} is not {}", with_article(only.as_str())),
        Kind::Type {
            kind: TypeKind::Multiple(several),
        } => {
            let names: Vec<&str> = several
                .iter()
                .map(|name| with_article(name.as_str()))
                .collect();
            format!("{value} is not {}", names.join(" or "))
        }
        Kind::Minimum { limit } => format!("{value} is less than {limit}"),
        Kind::Maximum { limit } => format!("{value} is more than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("{value} is not more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("{value} is not less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("{value} is not a multiple of {multiple_of}"),
        Kind::MinLength { limit } => {
            format!("{value} is shorter than {}", counted(*limit, "character"))
        }
        Kind::MaxLength { limit } => {
            format!("{value} is longer than {}", counted(*limit, "character"))
        }
        Kind::MinItems { limit } => format!("{value} has less than {}", counted(*limit, "item")),
        Kind::MaxItems { limit } => format!("{value} has more than {}", counted(*limit, "item")),
        Kind::UniqueItems => "an item is there twice".to_owned(),
        Kind::Pattern { pattern } => {
            format!("{value} does not match the pattern {}", quoted(pattern))
        }
        Kind::Constant { expected_value } => format!("{value} is not {}", shown(expected_value)),
        Kind::Enum { options } => format!("{value} is none of {}", listed(options)),
        Kind::Required { property } => format!("{} is missing", shown(property)),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            format!(
                "{} is not a known property",
                quoted(unexpected.first().map_or("", String::as_str))
            )
        }
        Kind::OneOfMultipleValid { .. } => {
            format!("{value} fits more than one of the forms that are allowed here")
        }
        Kind::FalseSchema => format!("{value} is not allowed here"),
        _ => error.masked_with(value).to_string(),
    }
}

/// A scalar as it is, anything nested by its kind only.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => quoted(text),
        scalar => quoted(&scalar.to_string()),
    }
}

fn listed(options: &Value) -> String {
    let options = options.as_array().map_or(&[][..], Vec::as_slice);
    options.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn counted(limit: u64, noun: &str) -> String {
    format!("{limit} {noun}{}", if limit == 1 { "" } else { "s" })
}

fn with_article(name: &str) -> &'static str {
    match name {
        "array" => "an array",
        "boolean" => "a boolean",
        "integer" => "an integer",
        "null" => "null",
        "number" => "a number",
        "object" => "an object",
        _ => "a string",
    }
}
