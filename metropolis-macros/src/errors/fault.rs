//! What can be wrong with `#[derive(Fault)]`.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{Error, Ident, LitInt, LitStr, Token, Variant};

use super::{error, helped, quoted};

pub(crate) fn generics(generics: impl ToTokens, name: &Ident) -> Error {
    helped(
        generics,
        format_args!(
            "the fault `{name}` cannot be generic, as callers tell faults apart by their code"
        ),
        "write the type by its name",
    )
}

pub(crate) fn union(token: &Token![union]) -> Error {
    error(token, "`Fault` is derived for an enum or a struct")
}

pub(crate) fn missing_status(name: &Ident) -> Error {
    helped(
        name,
        format_args!("`{name}` has no status"),
        "#[fault(status = 404)]",
    )
}

pub(crate) fn status_of_a_proxy(status: &LitInt) -> Error {
    helped(
        status,
        "the status 407 is for a proxy in front of the gateway",
        "#[fault(status = 401)]",
    )
}

pub(crate) fn bad_code(code: &LitStr) -> Error {
    helped(
        code,
        format_args!(
            "the code {} is not made of small letters, digits and `_`",
            quoted(code)
        ),
        r#"code = "user_not_found""#,
    )
}

pub(crate) fn no_default_code(variant: &Ident) -> Error {
    helped(
        variant,
        format_args!("`{variant}` has letters that a code cannot have"),
        r#"give it one: #[fault(code = "user_not_found")]"#,
    )
}

pub(crate) fn doubled_code(at: Span, code: &str, earlier: &Ident) -> Error {
    Error::new(
        at,
        format_args!(
            "the code \"{code}\" is already that of `{earlier}`; give each variant its own"
        ),
    )
}

pub(crate) fn not_a_list(attribute: impl ToTokens) -> Error {
    helped(
        attribute,
        "`#[fault]` takes a list of `key = value`",
        "#[fault(status = 404)]",
    )
}

pub(crate) fn key_of_a_variant(key: &Ident, first: Option<&Variant>) -> Error {
    let place = first.map_or("a variant".to_owned(), |variant| {
        format!("a variant; write it above `{}`", variant.ident)
    });
    error(key, format_args!("`{key}` belongs to {place}"))
}

pub(crate) fn key_of_the_enum(key: &Ident) -> Error {
    error(
        key,
        format_args!("`{key}` belongs to the whole enum; write it above `enum`"),
    )
}
