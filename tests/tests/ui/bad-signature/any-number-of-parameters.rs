#[metropolis::task(subject = "foo.bar", blocking)]
fn reverse(texts: ...) {}

fn main() {}
