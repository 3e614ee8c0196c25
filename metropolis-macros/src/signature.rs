//! A function's signature -> `TaskFn`: what the worker provides, what is the input, what comes back.
//!
//! Never reads the body, and never recognises a type by its name: an alias must not change the meaning. The rule is
//! value against reference. Where the compiler refuses the same thing in the function itself, the function is left out
//! (`Errors::replace`), so that one mistake stays one error.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, FnArg, PatType, ReturnType, Safety, Signature, Token, Type, TypeReference,
    Visibility,
};

use crate::errors::{self, Errors, Place};

/// The item under `#[task]`, its body left unread.
pub(crate) struct TaskItem {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) signature: Signature,
    /// Whether it ends in `;`: a task that lives elsewhere.
    pub(crate) is_declared: bool,
}

impl Parse for TaskItem {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let item = Self {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse()?,
            signature: input.parse()?,
            is_declared: input.peek(Token![;]),
        };
        input.parse::<TokenStream>()?;
        Ok(item)
    }
}

/// A signature as `expand` needs it.
pub(crate) struct TaskFn {
    pub(crate) ident: Ident,
    pub(crate) parameters: Vec<Parameter>,
    /// The return type, token for token; `()` where none is written.
    pub(crate) output: TokenStream,
    pub(crate) is_declared: bool,
}

/// One parameter, in the order written.
pub(crate) enum Parameter {
    /// `&T`: given by the worker. Holds `T`.
    Provided(TokenStream),
    /// By value: the input.
    Input(TokenStream),
}

impl TaskFn {
    pub(crate) fn read(signature: &Signature, is_declared: bool, errors: &mut Errors) -> Self {
        check_name(&signature.ident, errors);
        check_qualifiers(signature, errors);
        let reader = Reader {
            has_generics: check_generics(signature, errors),
            is_declared,
        };
        let parameters = reader.parameters(signature, errors);
        let output = reader.output(signature, errors);
        Self {
            ident: signature.ident.clone(),
            parameters,
            output,
            is_declared,
        }
    }
}

/// A struct of such a name would hide the type from the whole module.
const PRIMITIVES: [&str; 19] = [
    "bool", "char", "f16", "f32", "f64", "f128", "i8", "i16", "i32", "i64", "i128", "isize", "str",
    "u8", "u16", "u32", "u64", "u128", "usize",
];

fn check_name(ident: &Ident, errors: &mut Errors) {
    if PRIMITIVES.iter().any(|primitive| ident == primitive) {
        errors.push(errors::named_like_a_primitive(ident));
    }
}

fn check_qualifiers(signature: &Signature, errors: &mut Errors) {
    if let Some(token) = &signature.constness {
        errors.push(errors::qualifier(token, "const"));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        errors.push(errors::qualifier(token, "unsafe"));
    }
    if let Some(abi) = &signature.abi {
        errors.push(errors::qualifier(abi, "extern"));
    }
    if let Some(variadic) = &signature.variadic {
        errors.replace(errors::variadic(variadic));
    }
}

fn check_generics(signature: &Signature, errors: &mut Errors) -> bool {
    let generics = &signature.generics;
    let has_generics = !generics.params.is_empty() || generics.where_clause.is_some();
    if has_generics {
        errors.push(errors::generics(signature));
    }
    has_generics
}

/// Reads types. Lifetimes are not looked at where the generics that declare them were refused already.
struct Reader {
    has_generics: bool,
    is_declared: bool,
}

impl Reader {
    fn parameters(&self, signature: &Signature, errors: &mut Errors) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        let mut has_input = false;
        for argument in &signature.inputs {
            let typed = match argument {
                FnArg::Receiver(receiver) => {
                    errors.push(errors::receiver(receiver));
                    continue;
                }
                FnArg::Typed(typed) => typed,
            };
            let parameter = self.parameter(typed, errors);
            if matches!(parameter, Parameter::Input(_)) && std::mem::replace(&mut has_input, true) {
                errors.push(errors::second_input(typed));
            }
            parameters.push(parameter);
        }
        parameters
    }

    fn parameter(&self, typed: &PatType, errors: &mut Errors) -> Parameter {
        if let Some(cfg) = typed.attrs.iter().find(|attr| is_conditional(attr)) {
            errors.push(errors::conditional_parameter(cfg));
        }
        match peel(&typed.ty) {
            Type::Reference(reference) => self.provided(typed, reference, errors),
            ty => {
                self.check_owned(ty, Place::Input, errors);
                Parameter::Input(ty.to_token_stream())
            }
        }
    }

    fn provided(
        &self,
        typed: &PatType,
        reference: &TypeReference,
        errors: &mut Errors,
    ) -> Parameter {
        if self.is_declared {
            errors.push(errors::provided_in_a_declaration(typed));
        } else if reference.mutability.is_some() {
            errors.push(errors::mutable_reference(reference));
        } else if let (Some(lifetime), false) = (&reference.lifetime, self.has_generics) {
            errors.push(errors::lifetime_on_the_reference(lifetime, &reference.elem));
        } else if let Some(unfit @ (Unfit::Impl(_) | Unfit::Infer(_))) =
            unfit(reference.elem.to_token_stream())
        {
            unfit.report(Place::Provided, errors);
        }
        Parameter::Provided(peel(&reference.elem).to_token_stream())
    }

    fn output(&self, signature: &Signature, errors: &mut Errors) -> TokenStream {
        match &signature.output {
            ReturnType::Default => quote_spanned!(signature.ident.span()=> ()),
            ReturnType::Type(_, ty) => {
                let ty = peel(ty);
                self.check_owned(ty, Place::Reply, errors);
                quote!(#ty)
            }
        }
    }

    /// An input or a reply is decoded and encoded: a type with a name and a size that borrows from nothing.
    fn check_owned(&self, ty: &Type, place: Place, errors: &mut Errors) {
        match (ty, unfit(ty.to_token_stream())) {
            (Type::Never(_), _) => errors.push(errors::never(ty, place)),
            (Type::TraitObject(_), _) => errors.replace(errors::bare_dyn(ty, place)),
            (_, Some(Unfit::Borrow(_))) if self.has_generics => {}
            (_, Some(unfit)) => unfit.report(place, errors),
            (_, None) => {}
        }
    }
}

fn is_conditional(attr: &Attribute) -> bool {
    attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr")
}

/// The type without the invisible group of a `macro_rules!` fragment and without parentheses.
fn peel(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        };
    }
}

/// What makes a type impossible to name in an impl, with the tokens that say so.
enum Unfit {
    Impl(TokenTree),
    Infer(TokenTree),
    Never(TokenTree),
    Borrow(TokenStream),
}

impl Unfit {
    fn report(self, place: Place, errors: &mut Errors) {
        match self {
            Self::Impl(token) => errors.push(errors::impl_trait(token, place)),
            Self::Infer(token) => errors.replace(errors::infer(token, place)),
            Self::Never(token) => errors.replace(errors::never(token, place)),
            Self::Borrow(tokens) if is_undeclared(&tokens) => {
                errors.replace(errors::borrow(tokens, place))
            }
            Self::Borrow(tokens) => errors.push(errors::borrow(tokens, place)),
        }
    }
}

/// Whether the borrow is `'a`: without generics there is no such lifetime, and the compiler says so too.
fn is_undeclared(borrow: &TokenStream) -> bool {
    let text = borrow.to_string();
    text.starts_with('\'') && text != "'_"
}

/// The first misfit in a type. Works on tokens, as syn's visitor would cost every user its compile time.
fn unfit(tokens: TokenStream) -> Option<Unfit> {
    let mut is_after_name = false;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_name = matches!(token, TokenTree::Ident(_));
        let found = match token {
            TokenTree::Group(group) => unfit_inside(&group, is_after_name),
            token => unfit_token(token, tokens.peek(), is_after_name),
        };
        if found.is_some() {
            return found;
        }
        is_after_name = is_name;
    }
    None
}

/// Looks into a tuple, an array or a group; the parameters of `Fn(&str)` and the braces of a constant are their own.
fn unfit_inside(group: &Group, is_after_name: bool) -> Option<Unfit> {
    match group.delimiter() {
        Delimiter::Brace => None,
        Delimiter::Parenthesis if is_after_name => None,
        _ => unfit(group.stream()),
    }
}

fn unfit_token(token: TokenTree, next: Option<&TokenTree>, is_after_name: bool) -> Option<Unfit> {
    match (token.to_string().as_str(), next) {
        ("impl", _) => Some(Unfit::Impl(token)),
        ("_", _) => Some(Unfit::Infer(token)),
        ("!", _) if !is_after_name => Some(Unfit::Never(token)),
        ("&", Some(TokenTree::Punct(next))) if next.as_char() == '\'' => None,
        ("&", _) => Some(Unfit::Borrow(token.into())),
        ("'", Some(TokenTree::Ident(name))) if name != "static" => {
            Some(Unfit::Borrow(quote!(#token #name)))
        }
        _ => None,
    }
}
