#[metropolis::task(subject = "foo.bar")]
async fn reverse(text: String) -> Result<String, String> {
    Ok(text)
}

fn main() {}
