//! The list in `#[task(…)]` -> `TaskArgs`, with the spans kept for later messages.
//!
//! No default of the runtime stands here: a key that was not written is `None` and does not appear in the expansion.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, LitStr, Path};

use crate::errors::{self, Errors};
use crate::keys::{Number, Pairs};
use crate::vocabulary::{Key, Vocabulary};
use crate::{route, subject};

const VOCABULARY: Vocabulary = Vocabulary {
    attribute: "#[task]",
    keys: &[
        Key {
            name: "subject",
            example: r#"subject = "users.get""#,
        },
        Key {
            name: "queue",
            example: r#"queue = "worker""#,
        },
        Key {
            name: "http",
            example: r#"http = "GET /users/{id}""#,
        },
        Key {
            name: "timeout",
            example: r#"timeout = "2s""#,
        },
        Key {
            name: "concurrency",
            example: "concurrency = 64",
        },
        Key {
            name: "status",
            example: "status = 201",
        },
        Key {
            name: "blocking",
            example: "blocking",
        },
        Key {
            name: "bus",
            example: r#"bus = "internal""#,
        },
        Key {
            name: "crate",
            example: r#"crate = "my_metropolis""#,
        },
    ],
};

/// The longest one call may take.
const TIMEOUT_MAX_MS: u64 = 3_600_000;

/// The keys of one `#[task]`. `subject` is `None` only where that was reported.
pub(crate) struct TaskArgs {
    pub(crate) subject: Option<LitStr>,
    pub(crate) queue: Option<LitStr>,
    pub(crate) http: Option<LitStr>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) concurrency: Option<Number>,
    pub(crate) status: Option<Number>,
    pub(crate) blocking: Option<Ident>,
    /// Whether the task is for other workers alone.
    pub(crate) internal: bool,
    /// Where the runtime is found, `::metropolis` unless the user says otherwise.
    pub(crate) runtime: TokenStream,
}

impl TaskArgs {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut pairs = Pairs::parse(tokens, &VOCABULARY, errors);
        if pairs.misses("subject") {
            errors.push(errors::missing_subject());
        }
        Self {
            subject: checked(pairs.string("subject", errors), subject::check, errors),
            queue: checked(pairs.string("queue", errors), subject::check_queue, errors),
            http: checked(pairs.string("http", errors), route::check, errors),
            timeout_ms: parsed(pairs.string("timeout", errors), timeout_ms, errors),
            concurrency: pairs.integer("concurrency", 1..=65_536, errors),
            status: pairs.integer("status", 200..=299, errors),
            blocking: pairs.flag("blocking", errors),
            internal: parsed(pairs.string("bus", errors), internal, errors).is_some(),
            runtime: runtime(&mut pairs, errors),
        }
    }
}

/// There is one bus that can be named; a task that names none is served on all.
fn internal(text: &LitStr) -> syn::Result<()> {
    match text.value().as_str() {
        "internal" => Ok(()),
        _ => Err(errors::not_a_bus(text)),
    }
}

/// The path of the runtime crate, also for `#[fault(crate = "…")]`.
pub(crate) fn runtime(pairs: &mut Pairs, errors: &mut Errors) -> TokenStream {
    let path = parsed(pairs.string("crate", errors), path, errors);
    path.map_or_else(|| quote!(::metropolis), |path| quote!(#path))
}

fn path(text: &LitStr) -> syn::Result<Path> {
    text.parse_with(Path::parse_mod_style)
        .map_err(|_| errors::not_a_path(text))
}

/// A timeout in milliseconds, written as a whole number and a unit.
fn timeout_ms(text: &LitStr) -> syn::Result<u64> {
    let value = text.value();
    let (number, unit) = value.split_at(
        value
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(value.len()),
    );
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" if !number.is_empty() => return Err(errors::timeout_without_unit(text)),
        _ => return Err(errors::not_a_timeout(text)),
    };
    let number = number
        .parse::<u64>()
        .map_err(|_| errors::not_a_timeout(text))?;
    match number.saturating_mul(unit_ms) {
        0 => Err(errors::timeout_of_zero(text)),
        1..=TIMEOUT_MAX_MS => Ok(number * unit_ms),
        _ => Err(errors::timeout_too_long(text)),
    }
}

fn parsed<T>(
    text: Option<LitStr>,
    parse: fn(&LitStr) -> syn::Result<T>,
    errors: &mut Errors,
) -> Option<T> {
    parse(&text?).map_err(|error| errors.push(error)).ok()
}

fn checked(
    text: Option<LitStr>,
    check: fn(&LitStr) -> syn::Result<()>,
    errors: &mut Errors,
) -> Option<LitStr> {
    let text = text?;
    check(&text)
        .map_err(|error| errors.push(error))
        .ok()
        .map(|()| text)
}
