//! The `key = value` lists of `#[task(…)]`, `#[fault(…)]` and `#[setting(…)]`: syntax, unknown keys, doubled keys, kinds of literal.
//!
//! Used by `args`, `fault` and `setting`. What a value means is theirs to decide.

use std::ops::RangeInclusive;

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitInt, LitStr, Meta, Token};

use crate::errors::{self, Errors};
use crate::vocabulary::{Key, Vocabulary};

/// A list as written, without what was refused. Invariant: every key is known, no two alike.
#[derive(Default)]
pub(crate) struct Pairs {
    list: Vec<Pair>,
    /// Whether something could not be read at all, so that a key that seems to be missing may be in there.
    is_torn: bool,
}

struct Pair {
    key: &'static Key,
    ident: Ident,
    value: Option<Expr>,
}

impl Pairs {
    pub(crate) fn parse(tokens: TokenStream, vocabulary: &Vocabulary, errors: &mut Errors) -> Self {
        let mut pairs = Self::default();
        pairs.extend(tokens, vocabulary, errors);
        pairs
    }

    /// Every attribute of this name that is above an item, as one list. `not_a_list` says what is wrong with another form.
    pub(crate) fn of_attributes(
        attrs: &[Attribute],
        name: &str,
        vocabulary: &Vocabulary,
        not_a_list: impl Fn(&Meta) -> syn::Error,
        errors: &mut Errors,
    ) -> Self {
        let mut pairs = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
            match &attr.meta {
                Meta::List(list) => pairs.extend(list.tokens.clone(), vocabulary, errors),
                other => {
                    errors.push(not_a_list(other));
                    pairs.tear();
                }
            }
        }
        pairs
    }

    /// Reads one more list into this one, as when an attribute is written twice.
    fn extend(&mut self, tokens: TokenStream, vocabulary: &Vocabulary, errors: &mut Errors) {
        let read = |input: ParseStream<'_>| {
            while !input.is_empty() {
                self.read(input, vocabulary, errors);
            }
            Ok(())
        };
        if let Err(error) = read.parse2(tokens) {
            errors.push(error);
        }
    }

    fn read(&mut self, input: ParseStream<'_>, vocabulary: &Vocabulary, errors: &mut Errors) {
        match Pair::parse(input, vocabulary, errors) {
            Ok(Some(pair)) => self.add(pair, errors),
            Ok(None) => {}
            Err(error) => {
                errors.push(error);
                self.tear();
                skip_to_comma(input);
            }
        }
    }

    fn add(&mut self, pair: Pair, errors: &mut Errors) {
        match self
            .list
            .iter()
            .any(|earlier| earlier.key.name == pair.key.name)
        {
            // A misspelt key was refused already; that it is doubled as well is no news.
            true if pair.ident != pair.key.name => {}
            true => errors.push(errors::doubled_key(&pair.ident)),
            false => self.list.push(pair),
        }
    }

    /// Whether the key was left out.
    pub(crate) fn misses(&self, key: &str) -> bool {
        !self.is_torn && self.list.iter().all(|pair| pair.key.name != key)
    }

    /// Notes that something could not be read, so that nothing is missed on its account.
    fn tear(&mut self) {
        self.is_torn = true;
    }

    fn take(&mut self, key: &str) -> Option<Pair> {
        let at = self.list.iter().position(|pair| pair.key.name == key)?;
        Some(self.list.swap_remove(at))
    }

    /// Takes `key = "text"`.
    pub(crate) fn string(&mut self, key: &str, errors: &mut Errors) -> Option<LitStr> {
        let Pair { key, ident, value } = self.take(key)?;
        errors.push(match value.map(peel) {
            Some(Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            })) => return Some(text),
            Some(other) => errors::not_a_string(&other, key),
            None => errors::no_value(&ident, key),
        });
        None
    }

    /// Takes `key = 1`.
    pub(crate) fn integer(
        &mut self,
        key: &str,
        range: RangeInclusive<u32>,
        errors: &mut Errors,
    ) -> Option<Number> {
        let Pair { key, ident, value } = self.take(key)?;
        errors.push(match value.map(peel) {
            Some(Expr::Lit(ExprLit {
                lit: Lit::Int(literal),
                ..
            })) => match within(&literal, &range) {
                Some(value) => {
                    return Some(Number {
                        key: ident,
                        literal,
                        value,
                    });
                }
                None => errors::out_of_range(&literal, key, &range),
            },
            Some(other) => errors::not_an_integer(&other, key),
            None => errors::no_value(&ident, key),
        });
        None
    }

    /// Takes `key`, written without a value.
    pub(crate) fn flag(&mut self, key: &str, errors: &mut Errors) -> Option<Ident> {
        let pair = self.take(key)?;
        if let Some(value) = &pair.value {
            errors.push(errors::flag_with_value(value, pair.key));
        }
        Some(pair.ident)
    }

    /// The keys that nobody took.
    pub(crate) fn rest(&self) -> impl Iterator<Item = &Ident> {
        self.list.iter().map(|pair| &pair.ident)
    }
}

/// An integer within its range, with the key and the literal as written.
pub(crate) struct Number {
    pub(crate) key: Ident,
    pub(crate) literal: LitInt,
    pub(crate) value: u32,
}

fn within(number: &LitInt, range: &RangeInclusive<u32>) -> Option<u32> {
    number
        .base10_parse()
        .ok()
        .filter(|value| range.contains(value))
}

impl Pair {
    /// One pair and the comma after it. `None` where the key was refused, which is then reported already.
    fn parse(
        input: ParseStream<'_>,
        vocabulary: &Vocabulary,
        errors: &mut Errors,
    ) -> syn::Result<Option<Self>> {
        let ident = Ident::parse_any(input)
            .map_err(|error| errors::not_a_pair(error.span(), vocabulary))?;
        let value = match input.parse::<Option<Token![=]>>()? {
            Some(_) if input.is_empty() => None,
            Some(_) => Some(input.parse::<Expr>()?),
            None => None,
        };
        let key = known(&ident, vocabulary, errors);
        if !input.is_empty() && !input.peek(Token![,]) {
            return Err(match key {
                Some(key) if value.is_none() => errors::no_value(&ident, key),
                _ => input.error("expected a comma between keys"),
            });
        }
        input.parse::<Option<Token![,]>>()?;
        Ok(key.map(|key| Self { key, ident, value }))
    }
}

/// The value without the invisible group of a `macro_rules!` fragment.
fn peel(value: Expr) -> Expr {
    match value {
        Expr::Group(group) => peel(*group.expr),
        other => other,
    }
}

/// The key of that name. A misspelt one is refused, then read as the key that was meant, so that it is not missed too.
fn known(ident: &Ident, vocabulary: &Vocabulary, errors: &mut Errors) -> Option<&'static Key> {
    let name = ident.to_string();
    vocabulary.find(&name).or_else(|| {
        let nearest = vocabulary.nearest(&name);
        errors.push(errors::unknown_key(ident, nearest, vocabulary));
        nearest
    })
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() {
        let was_comma = input.peek(Token![,]);
        if input.parse::<proc_macro2::TokenTree>().is_err() || was_comma {
            return;
        }
    }
}
