#![no_implicit_prelude]

#[::metropolis::task(subject = "foo.bar", queue = "worker", http = "POST /foo", timeout = "2s", status = 201)]
async fn reverse(text: ::std::string::String) -> ::std::string::String {
    text
}

#[::metropolis::task(subject = "foo.add", blocking)]
fn add(ctx: &::metropolis::Context, number: u64) -> ::std::result::Result<u64, ::metropolis::Fault> {
    let _ = ctx;
    ::std::result::Result::Ok(number + 1)
}

#[::metropolis::task(subject = "foo.ask")]
async fn ask(number: u64) -> u64;

#[derive(::std::fmt::Debug, ::thiserror::Error, ::metropolis::Fault)]
enum Refused {
    #[error("no")]
    #[fault(status = 403)]
    Always,
}

#[::metropolis::task(subject = "foo.refuse")]
async fn refuse() -> ::std::result::Result<(), Refused> {
    ::std::result::Result::Err(Refused::Always)
}

fn main() {}
