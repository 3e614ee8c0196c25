struct Oops;

#[metropolis::task(subject = "foo.bar")]
async fn reverse(text: String) -> Result<String, metropolis::Fault> {
    Err(Oops)?;
    Ok(text)
}

fn main() {}
