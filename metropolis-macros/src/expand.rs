//! `Task` -> tokens: the impls that a person would have written. Cannot fail.
//!
//! Spans decide where the compiler draws its carets. What may be named in an error about the function carries the span
//! of its name; what may be named in an error about a type carries the span of that type. The rest is call-site.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, Token, Visibility};

use crate::args::TaskArgs;
use crate::signature::{Parameter, TaskFn, TaskItem};

/// A task that passed every check; what `expand` works on.
pub(crate) struct Task {
    pub(crate) args: TaskArgs,
    pub(crate) function: TaskFn,
}

/// The struct that carries a checked task to the second stage.
pub(crate) fn handover(task: &Task, args: &TokenStream, item: &TaskItem) -> TokenStream {
    let (runtime, name) = (&task.args.runtime, &task.function.ident);
    let TaskItem {
        attrs,
        vis,
        signature,
        is_declared,
    } = item;
    let attrs = attrs.iter().filter_map(|attr| carried(&attr.meta));
    let semi = is_declared.then(<Token![;]>::default);
    let marker = quote_spanned!(name.span()=> struct #name {});
    quote! {
        #(#[#attrs])*
        #[#runtime::__private::define((#args) #signature #semi)]
        #vis #marker
    }
}

/// What an attribute of the function says about the task as well. A `cfg_attr` is looked into: the compiler resolves
/// it before the second stage, and only a struct stands there.
fn carried(meta: &Meta) -> Option<TokenStream> {
    let path = meta.path();
    if ["doc", "cfg", "deprecated", "allow"]
        .iter()
        .any(|name| path.is_ident(name))
    {
        return Some(meta.to_token_stream());
    }
    let list = meta
        .require_list()
        .ok()
        .filter(|_| path.is_ident("cfg_attr"))?;
    let parts = list
        .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
        .ok()?;
    let (condition, attrs) = (parts.first()?, parts.iter().skip(1).filter_map(carried));
    Some(quote!(cfg_attr(#condition #(, #attrs)*)))
}

/// The second stage: the struct, and the impls that make it a task.
pub(crate) fn task(task: &Task, attrs: &[Attribute], vis: &Visibility) -> TokenStream {
    let (runtime, name) = (&task.args.runtime, &task.function.ident);
    let attrs = Attrs::read(attrs);
    let marker = marker(name, vis, &attrs);
    let implementation = task_impl(task, &attrs);
    let served = (!task.function.is_declared).then(|| served_impl(task));
    let constructor = match task.function.is_declared {
        true => quote!(declared),
        false => quote!(of),
    };
    let allows = attrs.allows();
    quote! {
        #marker
        #(#[#allows])*
        const _: () = {
            use #runtime::__private::OrElse as _;
            #implementation
            #served
            #runtime::__private::submit! { #runtime::TaskSpec::#constructor::<#name>() }
        };
    }
}

/// The struct is call-site: lints that look at whole items, as for a missing `Debug`, take it for the user's otherwise.
fn marker(name: &Ident, vis: &Visibility, attrs: &Attrs<'_>) -> TokenStream {
    let doc = format!(
        " The task `{}`, as callers name it: `client.call::<{name}>(&input)`.",
        name.unraw()
    );
    let kept = &attrs.kept;
    quote! {
        #[doc = #doc]
        #(#kept)*
        #[allow(non_camel_case_types)]
        #vis struct #name {}
    }
}

fn task_impl(task: &Task, attrs: &Attrs<'_>) -> TokenStream {
    let Task { args, function } = task;
    let (runtime, name, output) = (&args.runtime, &function.ident, &function.output);
    let meta = meta(task, attrs);
    let input = associated("Input", &function.input());
    let reply = associated("Output", output);
    quote! {
        impl #runtime::Task for #name {
            const META: #runtime::TaskMeta = #meta;
            #input
            #reply
            type Kind = #runtime::__private::Fallible<{ #runtime::__private::KindOf::<#output>::FALLIBLE }>;
        }
    }
}

/// `type Input = …;`, spanned so that an error about the whole item is drawn under the user's type.
fn associated(name: &str, ty: &TokenStream) -> TokenStream {
    let spans: Vec<Span> = ty.clone().into_iter().map(|token| token.span()).collect();
    let start = spans.first().copied().unwrap_or_else(Span::call_site);
    let end = spans.last().copied().unwrap_or(start);
    let name = Ident::new(name, start);
    let head = quote_spanned!(start=> type #name =);
    let semi = quote_spanned!(end=> ;);
    quote!(#head #ty #semi)
}

/// What is known about the task before it runs. Only what was written appears; the rest is the runtime's default.
fn meta(task: &Task, attrs: &Attrs<'_>) -> TokenStream {
    let Task { args, function } = task;
    let (runtime, name, subject) = (
        &args.runtime,
        function.ident.unraw().to_string(),
        &args.subject,
    );
    let keys = written_keys(args);
    let docs = Some(attrs.docs())
        .filter(|docs| !docs.is_empty())
        .into_iter();
    let deprecated = attrs.is_deprecated().then(|| quote!(deprecated: true,));
    let origin = origin(runtime, function.ident.span());
    let needs = needs(runtime, function);
    quote! {
        #runtime::TaskMeta {
            name: #name,
            subject: #subject,
            #keys
            #(docs: #docs,)*
            #deprecated
            origin: #origin,
            #needs
            ..#runtime::TaskMeta::DEFAULT
        }
    }
}

/// A call of `here!` that stands where the function's name does: every token of it, or `line!()` is the attribute's.
fn origin(runtime: &TokenStream, name: Span) -> TokenStream {
    let here = quote!(#runtime::__private::here!());
    let moved = here.into_iter().map(|mut token| {
        token.set_span(name);
        token
    });
    moved.collect()
}

fn written_keys(args: &TaskArgs) -> TokenStream {
    let queue = args.queue.iter();
    let http = args.http.iter();
    let timeout_ms = args
        .timeout_ms
        .iter()
        .map(|ms| Literal::u64_unsuffixed(*ms));
    let concurrency = args
        .concurrency
        .iter()
        .map(|number| Literal::u32_unsuffixed(number.value));
    let status = args
        .status
        .iter()
        .map(|number| Literal::u32_unsuffixed(number.value));
    let blocking = args.blocking.iter().map(|_| quote!(true));
    let internal = args.internal.then(|| quote!(internal: true,));
    quote! {
        #(queue: #queue,)*
        #(http: ::core::option::Option::Some(#http),)*
        #(timeout: ::core::time::Duration::from_millis(#timeout_ms),)*
        #(concurrency: #concurrency,)*
        #(status: ::core::option::Option::Some(#status),)*
        #(blocking: #blocking,)*
        #internal
    }
}

fn needs(runtime: &TokenStream, function: &TaskFn) -> Option<TokenStream> {
    let mut provided = function.provided().peekable();
    provided.peek()?;
    Some(quote!(needs: &[#(#runtime::__private::Need::of::<#provided>()),*],))
}

fn served_impl(task: &Task) -> TokenStream {
    let Task { args, function } = task;
    let (runtime, name) = (&args.runtime, &function.ident);
    let ctx = local("ctx", function.provided().next().is_some());
    let input = local("input", function.takes_input());
    let arguments = function.parameters.iter().map(|parameter| match parameter {
        Parameter::Provided(ty) => quote_spanned!(name.span()=> #ctx.provided::<#ty>()),
        Parameter::Input(_) => quote!(#input),
    });
    let call = quote_spanned!(name.span()=> #name(#(#arguments),*));
    let future = match &args.blocking {
        Some(_) => quote_spanned!(name.span()=> ::core::future::ready(#call)),
        None => call,
    };
    let run = quote_spanned! {name.span()=>
        fn run(
            #ctx: &#runtime::Context,
            #input: Self::Input,
        ) -> impl ::core::future::Future<Output = Self::Output> + ::core::marker::Send {
            #future
        }
    };
    quote!(impl #runtime::Served for #name { #run })
}

/// A parameter of `run`, which no name of the user's can meet.
fn local(name: &str, is_used: bool) -> Ident {
    let name = Ident::new(name, Span::mixed_site());
    match is_used {
        true => name,
        false => format_ident!("_{name}"),
    }
}

impl TaskFn {
    fn provided(&self) -> impl Iterator<Item = &TokenStream> {
        self.parameters
            .iter()
            .filter_map(|parameter| match parameter {
                Parameter::Provided(ty) => Some(ty),
                Parameter::Input(_) => None,
            })
    }

    fn takes_input(&self) -> bool {
        self.parameters.len() > self.provided().count()
    }

    /// The type of the input, `()` where the task takes none.
    fn input(&self) -> TokenStream {
        let written = self
            .parameters
            .iter()
            .find_map(|parameter| match parameter {
                Parameter::Input(ty) => Some(ty.clone()),
                Parameter::Provided(_) => None,
            });
        written.unwrap_or_else(|| quote_spanned!(self.ident.span()=> ()))
    }
}

/// The attributes that came over from the function: its doc comment, and what is kept on the struct.
struct Attrs<'a> {
    lines: Vec<String>,
    kept: Vec<&'a Attribute>,
}

impl<'a> Attrs<'a> {
    fn read(attrs: &'a [Attribute]) -> Self {
        let (docs, kept): (Vec<_>, Vec<_>) = attrs.iter().partition(
            |attr| matches!(&attr.meta, Meta::NameValue(pair) if pair.path.is_ident("doc")),
        );
        let lines = docs
            .into_iter()
            .filter_map(doc_text)
            .flat_map(|text| lines(&text))
            .collect();
        Self { lines, kept }
    }

    fn is_deprecated(&self) -> bool {
        self.kept
            .iter()
            .any(|attr| attr.path().is_ident("deprecated"))
    }

    /// What the generated impls must be silent about: what the function is, and its own deprecation.
    fn allows(&self) -> Vec<TokenStream> {
        let written = self
            .kept
            .iter()
            .filter(|attr| attr.path().is_ident("allow"))
            .map(|attr| attr.meta.to_token_stream());
        let deprecated = self.is_deprecated().then(|| quote!(allow(deprecated)));
        written.chain(deprecated).collect()
    }

    /// The doc comment as one text, without the space that `/// ` leaves before every line.
    fn docs(&self) -> String {
        let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let written = || self.lines.iter().filter(|line| !line.trim().is_empty());
        let common = written().map(|line| indent(line)).min().unwrap_or(0);
        let lines = self
            .lines
            .iter()
            .map(|line| line.get(common..).unwrap_or("").trim_end());
        lines
            .collect::<Vec<_>>()
            .join("\n")
            .trim_matches('\n')
            .to_owned()
    }
}

fn doc_text(attr: &Attribute) -> Option<String> {
    match &attr.meta.require_name_value().ok()?.value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}

fn lines(text: &str) -> Vec<String> {
    match text.is_empty() {
        true => vec![String::new()],
        false => text.lines().map(str::to_owned).collect(),
    }
}
