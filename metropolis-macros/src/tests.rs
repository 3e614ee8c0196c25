//! Golden expansions: one file per shape of task in `tests/expand`, as both stages leave it.
//!
//! `METROPOLIS_BLESS=1 cargo test -p metropolis-macros` writes the files anew; the diff is reviewed like an API change.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::path::Path;
use std::{env, fs};

use proc_macro2::TokenStream;
use syn::{File, Item, LitStr};

use crate::{fault, route, setting, subject, task};

/// Compares what `#[task(args)]` makes of the item with the golden file of that name.
fn check(name: &str, args: &str, item: &str) {
    let stage = task::annotate(args.parse().unwrap(), item.parse().unwrap());
    let items = syn::parse2::<File>(stage)
        .unwrap()
        .items
        .into_iter()
        .flat_map(second_stage)
        .collect();
    compare(name, &format!("#[metropolis::task({args})]"), items);
}

/// Compares what `#[derive(Fault)]` makes of the item with the golden file of that name.
fn check_fault(name: &str, item: &str) {
    check_derived(name, item, fault::derive);
}

fn check_derived(name: &str, item: &str, derive: fn(TokenStream) -> TokenStream) {
    let derived = derive(item.parse().unwrap());
    compare(
        name,
        &item.replace('\n', "\n// "),
        syn::parse2::<File>(derived).unwrap().items,
    );
}

/// Expands the struct that the first stage handed over, as the compiler would.
fn second_stage(item: Item) -> Vec<Item> {
    let Item::Struct(mut marker) = item else {
        return vec![item];
    };
    let is_define = |attr: &syn::Attribute| attr.path().segments.last().unwrap().ident == "define";
    let at = marker.attrs.iter().position(is_define).unwrap();
    let handover = marker
        .attrs
        .remove(at)
        .meta
        .require_list()
        .unwrap()
        .tokens
        .clone();
    let expansion = task::define(handover, quote::quote!(#marker));
    syn::parse2::<File>(expansion).unwrap().items
}

fn compare(name: &str, source: &str, items: Vec<Item>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/expand")
        .join(name)
        .with_extension("rs");
    let code = prettyplease::unparse(&File {
        shebang: None,
        frontmatter: None,
        attrs: Vec::new(),
        items,
    });
    let expanded = format!("// {source}\n\n{code}");
    if env::var_os("METROPOLIS_BLESS").is_some() {
        fs::write(&path, &expanded).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        golden,
        expanded,
        "{} differs; METROPOLIS_BLESS=1 accepts",
        path.display()
    );
}

/// Checks that `#[task(args)]` refuses the item with these first lines, and nothing else.
fn refuses(args: &str, item: &str, expected: &[&str]) {
    let tokens = task::annotate(args.parse().unwrap(), item.parse().unwrap());
    assert_eq!(messages(tokens), expected, "#[task({args})] {item}");
}

/// The first line of every `compile_error!`.
fn messages(tokens: TokenStream) -> Vec<String> {
    let items = syn::parse2::<File>(tokens).unwrap().items.into_iter();
    let macros = items.filter_map(|item| match item {
        Item::Macro(item) => Some(item.mac),
        _ => None,
    });
    let texts = macros.map(|mac| mac.parse_body::<LitStr>().unwrap().value());
    texts
        .map(|text| text.lines().next().unwrap().to_owned())
        .collect()
}

#[test]
fn a_value_in_a_value_out() {
    let item = "
        /// Returns the text reversed.
        async fn reverse(text: Text) -> String {
            text.data.chars().rev().collect()
        }";
    check("value", r#"subject = "foo.bar", queue = "worker""#, item);
}

#[test]
fn state_a_context_and_a_result() {
    let item = "
        /// Looks a user up by id.
        async fn get_user(db: &PgPool, ctx: &Context, key: UserKey) -> Result<User, UserFault> {
            db.user(key.id).await
        }";
    check(
        "result",
        r#"subject = "users.{id}.get", queue = "users", timeout = "2s""#,
        item,
    );
}

#[test]
fn a_task_that_lives_elsewhere() {
    let item = "
        /// Answers a question.
        pub(crate) async fn answer(question: Question) -> Result<Answer, metropolis::Fault>;";
    check(
        "declaration",
        r#"subject = "llm.answer", timeout = "30s""#,
        item,
    );
}

#[test]
fn a_plain_function() {
    let item =
        "fn resize(store: &Store, picture: Picture) -> Picture { store.keep(picture.half()) }";
    check("blocking", r#"subject = "pictures.resize", blocking"#, item);
}

#[test]
fn neither_input_nor_reply() {
    check("unit", r#"subject = "cache.clear""#, "async fn clear() {}");
}

#[test]
fn a_raw_identifier() {
    check(
        "raw_identifier",
        r#"subject = "chess.match""#,
        "pub async fn r#match(r#type: Kind) -> Game { play(r#type) }",
    );
}

#[test]
fn every_key() {
    let args = r#"subject = "users.{id}.rename", queue = "users", http = "PUT /users/{id}/name", timeout = "500ms", concurrency = 1_000, status = 202, blocking, bus = "internal""#;
    check("every_key", args, "pub fn rename(change: Rename) {}");
}

#[test]
fn a_renamed_crate() {
    let args = r#"subject = "foo.bar", crate = "::outer::metropolis""#;
    check(
        "renamed_crate",
        args,
        "async fn ping(ctx: &Context) -> u8 { 1 }",
    );
}

#[test]
fn attributes_that_carry_over() {
    let item = r#"
        /// Charges a card.
        ///
        ///   - once
        #[cfg(feature = "billing")]
        #[cfg_attr(docs, doc = "Documented.", tracing::instrument)]
        #[deprecated(since = "2.0.0", note = "use `charge_card`")]
        #[allow(clippy::unused_async)]
        #[tracing::instrument]
        pub async fn charge(request: Charge) -> Receipt { request.pay() }"#;
    check("attributes", r#"subject = "billing.charge""#, item);
}

#[test]
fn a_pattern_as_parameter() {
    let item =
        "async fn shout(Text { data }: Text, ctx: &Context) -> String { data.to_uppercase() }";
    check("pattern", r#"subject = "text.shout", http = "none""#, item);
}

#[test]
fn an_enum_of_faults() {
    let item = r#"#[derive(Fault)]
enum UserFault {
    #[error("no user {0}")]
    #[fault(status = 404, code = "user_not_found")]
    NotFound(Uuid),
    #[error("{name} is taken")]
    #[fault(status = 409)]
    NameTaken { name: String },
    #[error(transparent)]
    #[fault(status = 503)]
    NoHTTPBackend(#[from] io::Error),
}"#;
    check_fault("fault_enum", item);
}

#[test]
fn a_struct_of_one_fault() {
    let item = r#"#[derive(Fault)]
#[error("try again in {seconds} s")]
#[fault(status = 429, crate = "my_metropolis")]
pub struct TooMany { seconds: u32 }"#;
    check_fault("fault_struct", item);
}

#[test]
fn an_enum_without_faults() {
    check_fault("fault_empty", "#[derive(Fault)]\nenum Never {}");
}

#[test]
fn every_mistake_in_one_attribute_is_reported() {
    refuses(
        r#"subjet = "a.b", queue = "a b", timeout = "2", timeout = "3s", retries = 3"#,
        "async fn work() {}",
        &[
            "`#[task]` has no key `subjet`; did you mean `subject`?",
            "`timeout` is written twice; keep one of them",
            "`#[task]` has no key `retries`",
            "the queue \"a b\" has ` ` in it",
            "the timeout \"2\" has no unit",
        ],
    );
}

#[test]
fn mistakes_in_both_halves_are_reported() {
    refuses(
        r#"queue = "worker""#,
        "fn work(self, a: A, b: B) -> impl Send {}",
        &[
            "`#[task]` needs the key `subject`",
            "a task has no `self`; it is a function of its own",
            "a task takes one input by value, and this is the second",
            "`impl Trait` is not a type that a task's reply can have",
            "`work` is not async",
        ],
    );
}

#[test]
fn a_torn_list_is_one_mistake() {
    refuses(
        r#""foo.bar", queue = "worker""#,
        "async fn work() {}",
        &["`#[task]` takes a list of `key = value`"],
    );
    refuses(
        r#"subject("foo.bar")"#,
        "async fn work() {}",
        &["`subject` needs `=` and a value"],
    );
    refuses(
        "subject =",
        "async fn work() {}",
        &["`subject` needs `=` and a value"],
    );
    refuses(
        r#"subject: "foo.bar""#,
        "async fn work() {}",
        &["`subject` needs `=` and a value"],
    );
    refuses(
        r#"subject = "foo.bar" queue = "a""#,
        "async fn work() {}",
        &["expected a comma between keys"],
    );
}

#[test]
fn only_functions_are_tasks() {
    refuses(
        r#"subject = "a.b""#,
        "struct Text;",
        &["`#[task]` goes on a function"],
    );
    refuses(
        r#"subject = "a.b""#,
        "const TEXT: u8 = 1;",
        &["`#[task]` goes on a function"],
    );
}

#[test]
fn types_are_judged_by_their_outermost_borrow() {
    let good = [
        "async fn work(a: &Arc<dyn for<'a> Fn(&'a str) -> &'a str>, b: &Foo<'_>, c: &&str) -> &'static str { todo() }",
        "async fn work((a): (&Db), b: [u8; 4]) -> Cow<'static, str> { todo() }",
        "async fn work(call: fn(&str) -> u8) -> Bits<{ A & !B }> {}",
    ];
    for item in good {
        refuses(r#"subject = "a.b""#, item, &[]);
    }
    let borrow = "a task's input crosses the bus and cannot borrow";
    for ty in [
        "Option<&str>",
        "Cow<'_, str>",
        "Text<'a>",
        "(u8, &[u8])",
        "Box<dyn Any + 'a>",
    ] {
        refuses(
            r#"subject = "a.b""#,
            &format!("async fn work(input: {ty}) {{}}"),
            &[borrow],
        );
    }
}

#[test]
fn a_setting() {
    let item = "#[derive(Setting)]
#[setting(key = \"limits\", crate = \"my_metropolis\")]
pub struct Limits { items: u32 }";
    check_derived("setting", item, setting::derive);
}

#[test]
fn a_key_of_a_setting_is_one_token() {
    for (key, is_good) in [
        ("limits", true),
        ("A-b_9", true),
        ("", false),
        ("a.b", false),
        ("a b", false),
        ("ä", false),
    ] {
        let item = format!("#[setting(key = {key:?})] struct Limits;");
        let derived = setting::derive(item.parse().unwrap()).to_string();
        assert_eq!(!derived.contains("compile_error"), is_good, "{key}");
    }
}

#[test]
fn a_code_is_the_snake_case_of_its_variant() {
    let codes = [
        ("NotFound", "not_found"),
        ("HTTPError", "http_error"),
        ("NoHTTP", "no_http"),
        ("Over9000", "over9000"),
        ("A", "a"),
        ("ABTest", "ab_test"),
        ("already_small", "already_small"),
        ("Half_Way", "half_way"),
    ];
    for (name, code) in codes {
        assert_eq!(fault::snake_case(name), code);
    }
}

/// Compares a check with a fixture of lines such as `ok a.b`, or `no a..b   # reason`.
fn agrees(fixture: &str, check: fn(&LitStr) -> syn::Result<()>) {
    let lines = fixture
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    for line in lines {
        let (verdict, rest) = line.split_once(' ').unwrap();
        let text = rest.split("   #").next().unwrap().trim_matches('"');
        let literal = LitStr::new(text, proc_macro2::Span::call_site());
        assert_eq!(check(&literal).is_ok(), verdict == "ok", "{line}");
    }
}

#[test]
fn subjects_are_accepted_and_refused_as_the_fixture_says() {
    agrees(
        include_str!("../../tests/fixtures/subjects.txt"),
        subject::check,
    );
}

#[test]
fn routes_are_accepted_and_refused_as_the_fixture_says() {
    agrees(
        include_str!("../../tests/fixtures/routes.txt"),
        route::check,
    );
    let check = |text: &str| route::check(&LitStr::new(text, proc_macro2::Span::call_site()));
    assert!(check("none").is_ok());
    assert!(check(&format!("GET /{}", "a".repeat(1023))).is_ok());
    assert!(check(&format!("GET /{}", "a".repeat(1024))).is_err());
}
