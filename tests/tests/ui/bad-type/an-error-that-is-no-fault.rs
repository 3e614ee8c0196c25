#[derive(Debug, thiserror::Error)]
#[error("oops")]
struct Oops;

#[metropolis::task(subject = "foo.bar")]
async fn reverse(text: String) -> Result<String, Oops> {
    Err(Oops).or(Ok(text))
}

fn main() {}
