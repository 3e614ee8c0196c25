//! `#[derive(Fault)]`: an enum of errors -> the answers its variants give, by status and code.
//!
//! A struct is an enum of one. A derive that was refused still writes an impl, so that its tasks do not complain too.

use proc_macro2::{Literal, Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::{Attribute, Data, DataEnum, DeriveInput, Ident, LitStr};

use crate::args;
use crate::errors::{Errors, fault as refuse};
use crate::keys::Pairs;
use crate::vocabulary::{Key, Vocabulary};

const VOCABULARY: Vocabulary = Vocabulary {
    attribute: "#[fault]",
    keys: &[
        Key {
            name: "status",
            example: "status = 404",
        },
        Key {
            name: "code",
            example: r#"code = "user_not_found""#,
        },
        Key {
            name: "crate",
            example: r#"crate = "my_metropolis""#,
        },
    ],
};

/// The derive, from the type to its impls or every error found.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input = match syn::parse2::<DeriveInput>(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let model = Model::read(&input, &mut errors);
    match errors.finish() {
        Ok(()) => model.expand(),
        Err(refusals) => {
            let stand_in = model.stand_in(&input);
            quote!(#refusals #stand_in)
        }
    }
}

/// What the derive knows about a type.
struct Model<'a> {
    ident: &'a Ident,
    shape: Shape,
    kinds: Vec<Kind>,
    runtime: TokenStream,
}

enum Shape {
    Struct,
    Enum,
}

/// One variant, or the struct itself.
struct Kind {
    ident: Ident,
    status: u32,
    code: String,
    /// Where a word about the code belongs.
    code_span: Span,
    message: Option<LitStr>,
}

impl<'a> Model<'a> {
    fn read(input: &'a DeriveInput, errors: &mut Errors) -> Self {
        let ident = &input.ident;
        if !input.generics.params.is_empty() {
            errors.push(refuse::generics(&input.generics, ident));
        }
        let mut pairs = pairs(&input.attrs, errors);
        let runtime = args::runtime(&mut pairs, errors);
        let (shape, kinds) = match &input.data {
            Data::Enum(data) => (Shape::Enum, enum_kinds(data, &pairs, errors)),
            Data::Struct(_) => (
                Shape::Struct,
                Vec::from_iter(Kind::read(ident, &input.attrs, &mut pairs, errors)),
            ),
            Data::Union(data) => {
                errors.push(refuse::union(&data.union_token));
                (Shape::Struct, Vec::new())
            }
        };
        Self {
            ident,
            shape,
            kinds,
            runtime,
        }
    }

    fn expand(&self) -> TokenStream {
        let Self { ident, runtime, .. } = self;
        let kinds = self.kinds.iter().map(|kind| kind.expand(runtime));
        let kind = self.kind();
        quote! {
            const _: () = {
                use #runtime::__private::NoData as _;
                impl #runtime::__private::FaultKinds for #ident {
                    const KINDS: &'static [#runtime::FaultKind] = &[#(#kinds),*];
                    fn kind(&self) -> usize {
                        #kind
                    }
                    fn data(&self) -> ::core::option::Option<#runtime::__private::Value> {
                        #runtime::__private::DataOf(self).data()
                    }
                }
                #runtime::__private::submit! { #runtime::__private::TypedFault::of::<#ident>() }
            };
        }
    }

    /// The body of `kind`: the index into `KINDS`. It is no look-up, as naming `KINDS` repeats a complaint about it.
    fn kind(&self) -> TokenStream {
        let names = self.kinds.iter().map(|kind| &kind.ident);
        let indices = (0..).map(Literal::usize_unsuffixed);
        match self.shape {
            Shape::Struct => quote!(0),
            Shape::Enum if self.kinds.is_empty() => quote!(match *self {}),
            Shape::Enum => quote!(match self { #(Self::#names { .. } => #indices,)* }),
        }
    }

    /// An impl that answers nothing, for a type that was refused. What can never be a fault goes without.
    fn stand_in(&self, input: &DeriveInput) -> Option<TokenStream> {
        let Self { ident, runtime, .. } = self;
        let can_be_a_fault =
            input.generics.params.is_empty() && !matches!(input.data, Data::Union(_));
        can_be_a_fault.then(|| {
            quote! {
                impl #runtime::__private::FaultKinds for #ident {
                    const KINDS: &'static [#runtime::FaultKind] = &[];
                    fn kind(&self) -> usize {
                        0
                    }
                    fn data(&self) -> ::core::option::Option<#runtime::__private::Value> {
                        ::core::option::Option::None
                    }
                }
            }
        })
    }
}

/// The kinds of an enum, whose own attribute may hold `crate` and nothing else.
fn enum_kinds(data: &DataEnum, own: &Pairs, errors: &mut Errors) -> Vec<Kind> {
    for key in own.rest() {
        errors.push(refuse::key_of_a_variant(key, data.variants.first()));
    }
    let mut kinds = Vec::new();
    for variant in &data.variants {
        let mut pairs = pairs(&variant.attrs, errors);
        let kind = Kind::read(&variant.ident, &variant.attrs, &mut pairs, errors);
        for key in pairs.rest() {
            errors.push(refuse::key_of_the_enum(key));
        }
        kinds.extend(kind);
    }
    check_codes(&kinds, errors);
    kinds
}

/// Callers tell the kinds apart by their codes.
fn check_codes(kinds: &[Kind], errors: &mut Errors) {
    for (at, kind) in kinds.iter().enumerate() {
        if let Some(earlier) = kinds[..at].iter().find(|earlier| earlier.code == kind.code) {
            errors.push(refuse::doubled_code(
                kind.code_span,
                &kind.code,
                &earlier.ident,
            ));
        }
    }
}

impl Kind {
    fn read(
        ident: &Ident,
        attrs: &[Attribute],
        pairs: &mut Pairs,
        errors: &mut Errors,
    ) -> Option<Self> {
        if pairs.misses("status") {
            errors.push(refuse::missing_status(ident));
        }
        let status = pairs.integer("status", 400..=599, errors);
        let written = pairs.string("code", errors);
        let code = code(ident, written.as_ref(), errors)?;
        let code_span = written.as_ref().map_or_else(|| ident.span(), LitStr::span);
        let status = status?;
        if status.value == 407 {
            errors.push(refuse::status_of_a_proxy(&status.literal));
        }
        Some(Self {
            ident: ident.clone(),
            status: status.value,
            code,
            code_span,
            message: message(attrs),
        })
    }

    fn expand(&self, runtime: &TokenStream) -> TokenStream {
        let (status, code) = (Literal::u32_unsuffixed(self.status), &self.code);
        let message = match &self.message {
            Some(message) => quote!(::core::option::Option::Some(#message)),
            None => quote!(::core::option::Option::None),
        };
        quote!(#runtime::FaultKind { status: #status, code: #code, message: #message })
    }
}

/// Every `#[fault(…)]` among the attributes, as one list.
fn pairs(attrs: &[Attribute], errors: &mut Errors) -> Pairs {
    Pairs::of_attributes(
        attrs,
        "fault",
        &VOCABULARY,
        |other| refuse::not_a_list(other),
        errors,
    )
}

/// The code as written, or the name of the variant in snake case.
fn code(ident: &Ident, written: Option<&LitStr>, errors: &mut Errors) -> Option<String> {
    let code = written.map_or_else(|| snake_case(&ident.unraw().to_string()), LitStr::value);
    let is_code = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !code.is_empty() && code.chars().all(is_code) {
        return Some(code);
    }
    errors.push(match written {
        Some(literal) => refuse::bad_code(literal),
        None => refuse::no_default_code(ident),
    });
    None
}

/// `NotFound` -> `not_found`, `HTTPError` -> `http_error`: a word starts at a capital beside a small letter.
pub(crate) fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let before = at
            .checked_sub(1)
            .map(|at| letters[at])
            .filter(|c| *c != '_');
        let is_before_small = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && before.is_some_and(|c| !c.is_uppercase() || is_before_small) {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// The text of a sibling `#[error("…")]`, for the document that lists the faults.
fn message(attrs: &[Attribute]) -> Option<LitStr> {
    let list = attrs
        .iter()
        .find(|attr| attr.path().is_ident("error"))?
        .meta
        .require_list()
        .ok()?;
    let first = list.tokens.clone().into_iter().next()?;
    syn::parse2(first.into()).ok()
}
