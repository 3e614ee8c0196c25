#![deny(warnings)]
#![allow(unused_parens)]

use std::sync::Arc;

trait Repo: Send + Sync {}
struct Borrowing<'a>(&'a str);

#[metropolis::task(subject = "foo.bar")]
async fn every(
    repo: &Arc<dyn Repo>,
    _: &Borrowing<'_>,
    (name): (&&'static str),
    #[allow(unused_variables)] unused: &u8,
    [first, mut second]: [String; 2],
    parse: &Box<dyn Fn(&str) -> u8 + Send + Sync>,
) -> (String, u8, &'static str) {
    let _ = repo;
    second.push_str(&first);
    let number = parse(&second);
    (second, number, name)
}

fn main() {
    let _ = Borrowing("").0;
}
