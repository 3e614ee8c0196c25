#![deny(warnings)]
#![allow(dead_code)]

struct Task;
struct Served;
struct Option;
struct Future;
struct Send;
struct Fallible;
struct KindOf;
struct Need;
struct TaskSpec;
struct TaskMeta;
struct Input;
struct Output;
struct Kind;
trait OrElse {}
mod metropolis_private {}

#[metropolis::task(subject = "foo.ctx")]
async fn ctx(ctx: &metropolis::Context, input: String) -> String {
    let _ = ctx;
    input
}

#[metropolis::task(subject = "foo.input")]
async fn input(ctx: String) -> String {
    ctx
}

#[metropolis::task(subject = "foo.run")]
async fn run(run: &String) -> String {
    run.clone()
}

#[metropolis::task(subject = "foo.meta", blocking)]
fn ready() -> u8 {
    1
}

fn main() {}
