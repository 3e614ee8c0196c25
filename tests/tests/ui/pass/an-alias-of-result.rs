#![deny(warnings)]

type Answer = Outcome<String>;
type Outcome<T, E = metropolis::Fault> = std::result::Result<T, E>;

#[metropolis::task(subject = "foo.bar")]
async fn reverse(text: String) -> Answer {
    Ok(text)
}

#[metropolis::task(subject = "foo.baz")]
async fn shout(text: String) -> Outcome<String> {
    Ok(text.to_uppercase())
}

fn main() {}
