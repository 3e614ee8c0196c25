//! Every message this crate can print, one constructor each, and the list that collects them.
//!
//! Here are those about keys and signatures; `subject`, `route`, `fault` and `setting` hold their own.
//!
//! The shape of each: what is wrong, quoting the user's own words, then one line that can be pasted. The caret sits
//! under the tokens that are passed in.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::thread;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{
    Attribute, Error, Expr, Ident, Lifetime, LitInt, LitStr, PatType, Receiver, Signature, Token,
    Type, TypeReference, Variadic,
};

use crate::vocabulary::{Key, Vocabulary};

pub(crate) mod fault;
pub(crate) mod route;
pub(crate) mod setting;
pub(crate) mod subject;

/// What was found wrong, through all passes. Invariant: dropping it unread panics, so that no mistake is lost.
pub(crate) struct Errors {
    list: Option<Vec<Error>>,
    keep_function: bool,
}

impl Default for Errors {
    fn default() -> Self {
        Self {
            list: Some(Vec::new()),
            keep_function: true,
        }
    }
}

impl Errors {
    pub(crate) fn push(&mut self, error: Error) {
        self.list.get_or_insert_default().push(error);
    }

    /// Adds an error that the compiler would repeat if it saw the function.
    pub(crate) fn replace(&mut self, error: Error) {
        self.keep_function = false;
        self.push(error);
    }

    /// Whether the user's function may stand beside the errors.
    pub(crate) fn keep_function(&self) -> bool {
        self.keep_function
    }

    /// Reads the list: nothing, or every error as tokens.
    pub(crate) fn finish(mut self) -> Result<(), TokenStream> {
        let list = self.list.take().unwrap_or_default();
        if list.is_empty() {
            return Ok(());
        }
        Err(list.iter().map(Error::to_compile_error).collect())
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        assert!(
            self.list.is_none() || thread::panicking(),
            "a list of errors was dropped unread"
        );
    }
}

/// Where a type stands.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Input,
    Provided,
    Reply,
}

impl Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Input => "a task's input",
            Self::Provided => "a provided value",
            Self::Reply => "a task's reply",
        })
    }
}

fn error(at: impl ToTokens, what: impl Display) -> Error {
    Error::new_spanned(at, what)
}

fn helped(at: impl ToTokens, what: impl Display, help: impl Display) -> Error {
    error(at, format_args!("{what}\nhelp: {help}"))
}

// The list of keys.

pub(crate) fn unknown_key(key: &Ident, nearest: Option<&Key>, vocabulary: &Vocabulary) -> Error {
    let Vocabulary { attribute, keys } = vocabulary;
    let meant = nearest.map_or(String::new(), |key| {
        format!("; did you mean `{}`?", key.name)
    });
    let known = keys
        .iter()
        .map(|key| format!("`{}`", key.name))
        .collect::<Vec<_>>()
        .join(", ");
    error(
        key,
        format_args!("`{attribute}` has no key `{key}`{meant}\nkeys: {known}"),
    )
}

pub(crate) fn doubled_key(key: &Ident) -> Error {
    error(
        key,
        format_args!("`{key}` is written twice; keep one of them"),
    )
}

pub(crate) fn not_a_pair(at: Span, vocabulary: &Vocabulary) -> Error {
    let Vocabulary { attribute, keys } = vocabulary;
    let example = keys.first().map_or("", |key| key.example);
    Error::new(
        at,
        format_args!("`{attribute}` takes a list of `key = value`\nhelp: {example}"),
    )
}

pub(crate) fn no_value(key: &Ident, known: &Key) -> Error {
    helped(
        key,
        format_args!("`{key}` needs `=` and a value"),
        known.example,
    )
}

pub(crate) fn not_a_string(value: &Expr, known: &Key) -> Error {
    helped(
        value,
        format_args!("`{}` takes a string literal", known.name),
        known.example,
    )
}

pub(crate) fn not_a_bus(bus: &LitStr) -> Error {
    let message = format_args!("there is no bus \"{}\" to keep a task on", bus.value());
    helped(
        bus,
        message,
        r#"bus = "internal", or no `bus` to be served on every one"#,
    )
}

pub(crate) fn not_an_integer(value: &Expr, known: &Key) -> Error {
    helped(
        value,
        format_args!("`{}` takes an integer", known.name),
        known.example,
    )
}

pub(crate) fn out_of_range(number: &LitInt, known: &Key, range: &RangeInclusive<u32>) -> Error {
    let (name, min, max) = (known.name, range.start(), range.end());
    helped(
        number,
        format_args!("`{name}` cannot be {number}; it goes from {min} to {max}"),
        known.example,
    )
}

pub(crate) fn flag_with_value(value: &Expr, known: &Key) -> Error {
    error(
        value,
        format_args!("`{}` takes no value; write it alone", known.name),
    )
}

// The keys of `#[task]`.

pub(crate) fn missing_subject() -> Error {
    Error::new(
        Span::call_site(),
        "`#[task]` needs the key `subject`\nhelp: #[task(subject = \"users.get\")]",
    )
}

pub(crate) fn not_a_path(text: &LitStr) -> Error {
    helped(
        text,
        format_args!("{} is not the path of a crate", quoted(text)),
        r#"crate = "my_metropolis""#,
    )
}

pub(crate) fn not_a_timeout(text: &LitStr) -> Error {
    helped(
        text,
        format_args!(
            "the timeout {} is not a whole number and a unit",
            quoted(text)
        ),
        r#"timeout = "500ms", timeout = "2s" or timeout = "1m""#,
    )
}

pub(crate) fn timeout_without_unit(text: &LitStr) -> Error {
    let number = text.value();
    helped(
        text,
        format_args!("the timeout {} has no unit", quoted(text)),
        format_args!("timeout = \"{number}s\" or timeout = \"{number}ms\""),
    )
}

pub(crate) fn timeout_of_zero(text: &LitStr) -> Error {
    helped(
        text,
        format_args!("no call can be answered within {}", quoted(text)),
        r#"timeout = "500ms""#,
    )
}

pub(crate) fn timeout_too_long(text: &LitStr) -> Error {
    helped(
        text,
        format_args!(
            "the timeout {} is longer than one hour, the most a call may take",
            quoted(text)
        ),
        r#"timeout = "1h""#,
    )
}

fn quoted(text: &LitStr) -> String {
    format!("{:?}", text.value())
}

// The function.

pub(crate) fn not_a_function(at: Span) -> Error {
    Error::new(
        at,
        "`#[task]` goes on a function\nhelp: async fn get_user(key: UserKey) -> User",
    )
}

pub(crate) fn plain_function(token: &Token![fn], name: &Ident) -> Error {
    helped(
        token,
        format_args!("`{name}` is not async"),
        format_args!(
            "write `async fn {name}`, or add the key `blocking` to run it on the blocking pool"
        ),
    )
}

pub(crate) fn declared_plain(token: &Token![fn], name: &Ident) -> Error {
    helped(
        token,
        format_args!("`{name}` is declared, and a declared task is called over the bus"),
        format_args!("write `async fn {name}`"),
    )
}

pub(crate) fn blocking_async(token: &Token![async]) -> Error {
    helped(
        token,
        "`blocking` is for a plain function, which runs on the blocking pool",
        "remove `async` here, or the key `blocking`",
    )
}

pub(crate) fn key_of_a_body(key: &Ident, name: &Ident) -> Error {
    error(
        key,
        format_args!(
            "`{key}` says how a body runs, and `{name}` is declared without one; remove the key"
        ),
    )
}

pub(crate) fn receiver(receiver: &Receiver) -> Error {
    helped(
        receiver,
        "a task has no `self`; it is a function of its own",
        "move it out of the `impl`, and take what it needs as `&T` from the worker",
    )
}

pub(crate) fn generics(signature: &Signature) -> Error {
    let (name, generics) = (&signature.ident, &signature.generics);
    let at = match &generics.where_clause {
        Some(clause) if generics.params.is_empty() => clause.to_token_stream(),
        _ => generics.to_token_stream(),
    };
    helped(
        at,
        format_args!("the task `{name}` cannot be generic; it has one subject"),
        "write one function for each type, and let it call a generic one",
    )
}

pub(crate) fn qualifier(at: impl ToTokens, word: &str) -> Error {
    error(
        at,
        format_args!("a task cannot be `{word}`; remove the word"),
    )
}

pub(crate) fn variadic(variadic: &Variadic) -> Error {
    helped(
        variadic,
        "a task cannot take `...`",
        "put the parameters in one struct, the input",
    )
}

pub(crate) fn named_like_a_primitive(name: &Ident) -> Error {
    helped(
        name,
        format_args!("a task called `{name}` would hide the type `{name}` from this module"),
        format_args!("call it `{name}_task`, or what it does"),
    )
}

pub(crate) fn second_input(parameter: &PatType) -> Error {
    helped(
        parameter,
        "a task takes one input by value, and this is the second",
        "put them in one struct; take what the worker provides as `&T`",
    )
}

pub(crate) fn conditional_parameter(cfg: &Attribute) -> Error {
    helped(
        cfg,
        "a task's parameter cannot depend on `cfg`",
        "write two functions, each with its own `#[cfg(…)]` and `#[task(…)]`",
    )
}

pub(crate) fn provided_in_a_declaration(parameter: &PatType) -> Error {
    helped(
        parameter,
        "a declared task takes its input only; the rest is provided where it runs",
        "remove this parameter, or give the function a body",
    )
}

pub(crate) fn mutable_reference(reference: &TypeReference) -> Error {
    let ty = text(&reference.elem);
    helped(
        reference,
        format_args!("calls run at the same time, so the worker cannot provide `&mut {ty}`"),
        format_args!("take `&{ty}`, with a lock inside where it changes"),
    )
}

pub(crate) fn lifetime_on_the_reference(lifetime: &Lifetime, ty: &Type) -> Error {
    error(
        lifetime,
        format_args!(
            "a provided value is lent for one call; write `&{}`",
            text(ty)
        ),
    )
}

pub(crate) fn impl_trait(at: impl ToTokens, place: Place) -> Error {
    helped(
        at,
        format_args!("`impl Trait` is not a type that {place} can have"),
        "write the type by its name",
    )
}

pub(crate) fn infer(at: impl ToTokens, place: Place) -> Error {
    error(
        at,
        format_args!("`_` leaves out the type of {place}; write it"),
    )
}

pub(crate) fn never(at: impl ToTokens, place: Place) -> Error {
    helped(
        at,
        format_args!("`!` never comes and cannot be in {place}"),
        "write `()` for an empty one, and no `Result` where nothing can fail",
    )
}

pub(crate) fn bare_dyn(at: impl ToTokens, place: Place) -> Error {
    helped(
        at,
        format_args!("a `dyn Trait` has no size and cannot be {place}"),
        "write a struct or an enum",
    )
}

pub(crate) fn borrow(at: impl ToTokens, place: Place) -> Error {
    helped(
        at,
        format_args!("{place} crosses the bus and cannot borrow"),
        "write the owned type: `String` for `&str`, `Vec<T>` for `&[T]`",
    )
}

fn text(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string()
}
