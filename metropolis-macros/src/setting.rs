//! `#[derive(Setting)]`: a type of an application's own -> a value that follows a key of the bucket.
//!
//! A derive that was refused still writes an impl, so that its workers do not complain too.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, DeriveInput, LitStr};

use crate::args;
use crate::errors::{Errors, setting as refuse};
use crate::keys::Pairs;
use crate::vocabulary::{Key, Vocabulary};

const VOCABULARY: Vocabulary = Vocabulary {
    attribute: "#[setting]",
    keys: &[
        Key {
            name: "key",
            example: r#"key = "limits""#,
        },
        Key {
            name: "crate",
            example: r#"crate = "my_metropolis""#,
        },
    ],
};

/// The derive, from the type to its impl or every error found.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input = match syn::parse2::<DeriveInput>(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let ident = &input.ident;
    if !input.generics.params.is_empty() {
        errors.push(refuse::generics(&input.generics, ident));
    }
    let mut pairs = pairs(&input.attrs, &mut errors);
    let runtime = args::runtime(&mut pairs, &mut errors);
    // Renaming the type must not rename what operators write, so there is no default.
    if pairs.misses("key") {
        errors.push(refuse::missing_key(ident));
    }
    let key = pairs.string("key", &mut errors);
    let key = key.and_then(|key| checked(key, &mut errors));
    let implementation = |key: &str| {
        quote! {
            impl #runtime::Setting for #ident {
                const KEY: &'static str = #key;
            }
        }
    };
    match errors.finish() {
        Ok(()) => implementation(&key.map_or_else(String::new, |key| key.value())),
        Err(refusals) => {
            let stand_in = input.generics.params.is_empty().then(|| implementation(""));
            quote!(#refusals #stand_in)
        }
    }
}

/// Every `#[setting(…)]` among the attributes, as one list.
fn pairs(attrs: &[Attribute], errors: &mut Errors) -> Pairs {
    Pairs::of_attributes(
        attrs,
        "setting",
        &VOCABULARY,
        |other| refuse::not_a_list(other),
        errors,
    )
}

/// A key is one token of a subject.
fn checked(key: LitStr, errors: &mut Errors) -> Option<LitStr> {
    let text = key.value();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !text.is_empty() && text.chars().all(is_plain) {
        return Some(key);
    }
    errors.push(refuse::bad_key(&key));
    None
}
