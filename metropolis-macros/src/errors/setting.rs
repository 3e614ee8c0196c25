//! What can be wrong with `#[derive(Setting)]`.

use quote::ToTokens;
use syn::{Error, Ident, LitStr};

use super::{helped, quoted};

pub(crate) fn generics(generics: impl ToTokens, name: &Ident) -> Error {
    helped(
        generics,
        format_args!("the setting `{name}` cannot be generic, as its key stands for one type"),
        "write the type by its name",
    )
}

pub(crate) fn missing_key(name: &Ident) -> Error {
    helped(
        name,
        format_args!("`{name}` has no key"),
        r#"#[setting(key = "limits")]"#,
    )
}

pub(crate) fn bad_key(key: &LitStr) -> Error {
    helped(
        key,
        format_args!(
            "the key {} is not made of letters, digits, `-` and `_`",
            quoted(key)
        ),
        r#"key = "limits""#,
    )
}

pub(crate) fn not_a_list(attribute: impl ToTokens) -> Error {
    helped(
        attribute,
        "`#[setting]` takes a list of `key = value`",
        r#"#[setting(key = "limits")]"#,
    )
}
