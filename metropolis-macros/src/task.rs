//! The passes of `#[task]` in order: parse, check, expand.
//!
//! They run in two stages. The first leaves the user's function as it is and adds an empty struct that carries the
//! attribute `define`; the second turns that struct into the impls. Inside an `impl` block the parser drops the struct
//! with its attribute, so that a method by mistake is one error and not five.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, ItemStruct, Signature, Token, Visibility, parenthesized};

use crate::args::TaskArgs;
use crate::errors::{self, Errors};
use crate::expand::{self, Task};
use crate::signature::{TaskFn, TaskItem};

/// The first stage: the function as written, and the struct for the second stage or every error found.
pub(crate) fn annotate(args: TokenStream, item: TokenStream) -> TokenStream {
    let parsed = match syn::parse2::<TaskItem>(item.clone()) {
        Ok(parsed) => parsed,
        Err(error) => return refuse_item(&error, &item),
    };
    let mut errors = Errors::default();
    let task = check(
        args.clone(),
        &parsed.signature,
        parsed.is_declared,
        &mut errors,
    );
    let function = (!parsed.is_declared && errors.keep_function()).then_some(item);
    let added = match errors.finish() {
        Ok(()) => expand::handover(&task, &args, &parsed),
        Err(refusals) => refusals,
    };
    quote!(#function #added)
}

/// The second stage: the struct as callers name it, and the impls that make it a task.
pub(crate) fn define(handover: TokenStream, item: TokenStream) -> TokenStream {
    let parsed =
        syn::parse2::<Handover>(handover).and_then(|handover| Ok((handover, syn::parse2(item)?)));
    let (handover, ItemStruct { attrs, vis, .. }) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return error.to_compile_error(),
    };
    define_task(handover, &attrs, &vis)
}

fn define_task(handover: Handover, attrs: &[Attribute], vis: &Visibility) -> TokenStream {
    let mut errors = Errors::default();
    let task = check(
        handover.args,
        &handover.signature,
        handover.is_declared,
        &mut errors,
    );
    match errors.finish() {
        Ok(()) => expand::task(&task, attrs, vis),
        Err(refusals) => refusals,
    }
}

/// Reads both halves on their own, then what one says about the other.
fn check(args: TokenStream, signature: &Signature, is_declared: bool, errors: &mut Errors) -> Task {
    let args = TaskArgs::parse(args, errors);
    let function = TaskFn::read(signature, is_declared, errors);
    match is_declared {
        true => check_declaration(&args, signature, errors),
        false => check_body(&args, signature, errors),
    }
    Task { args, function }
}

/// A body waits, or blocks and says so.
fn check_body(args: &TaskArgs, signature: &Signature, errors: &mut Errors) {
    match (&signature.asyncness, &args.blocking) {
        (None, None) => errors.push(errors::plain_function(
            &signature.fn_token,
            &signature.ident,
        )),
        (Some(token), Some(_)) => errors.push(errors::blocking_async(token)),
        (None, Some(_)) | (Some(_), None) => {}
    }
}

/// A declaration is called, so how it runs is said where its body stands.
fn check_declaration(args: &TaskArgs, signature: &Signature, errors: &mut Errors) {
    let concurrency = args.concurrency.as_ref().map(|number| &number.key);
    for key in args.blocking.iter().chain(concurrency) {
        errors.push(errors::key_of_a_body(key, &signature.ident));
    }
    if signature.asyncness.is_none() {
        errors.push(errors::declared_plain(
            &signature.fn_token,
            &signature.ident,
        ));
    }
}

fn refuse_item(error: &syn::Error, item: &TokenStream) -> TokenStream {
    let refusal = errors::not_a_function(error.span()).to_compile_error();
    quote!(#item #refusal)
}

/// What the first stage tells the second: `(args) signature`, and a `;` where there is no body.
struct Handover {
    args: TokenStream,
    signature: Signature,
    is_declared: bool,
}

impl Parse for Handover {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let args;
        parenthesized!(args in input);
        Ok(Self {
            args: args.parse()?,
            signature: input.parse()?,
            is_declared: input.parse::<Option<Token![;]>>()?.is_some(),
        })
    }
}
