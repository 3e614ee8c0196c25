//! The macros of `metropolis`, which re-exports and documents them.
//!
//! A compiler in four passes: `args` and `signature` parse, `task` checks what spans both, `expand` writes the impls a
//! person would have written. Nothing here knows NATS, HTTP or serde, and every message to the user is in `errors`.
#![forbid(unsafe_code)]

mod args;
mod errors;
mod expand;
mod fault;
mod keys;
mod route;
mod setting;
mod signature;
mod subject;
mod task;
#[cfg(test)]
mod tests;
mod vocabulary;

use proc_macro::TokenStream;

/// Makes a task of a function; documented where `metropolis` re-exports it.
#[proc_macro_attribute]
pub fn task(args: TokenStream, item: TokenStream) -> TokenStream {
    task::annotate(args.into(), item.into()).into()
}

/// For generated code; may change in any release.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn define(handover: TokenStream, item: TokenStream) -> TokenStream {
    task::define(handover.into(), item.into()).into()
}

/// Makes the variants of an error answers with a status and a code; documented where `metropolis` re-exports it.
#[proc_macro_derive(Fault, attributes(fault))]
pub fn fault(input: TokenStream) -> TokenStream {
    fault::derive(input.into()).into()
}

/// Makes a type a value that changes while its application runs; documented where `metropolis` re-exports it.
#[proc_macro_derive(Setting, attributes(setting))]
pub fn setting(input: TokenStream) -> TokenStream {
    setting::derive(input.into()).into()
}
