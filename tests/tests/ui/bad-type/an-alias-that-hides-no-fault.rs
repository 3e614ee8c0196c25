#[metropolis::task(subject = "foo.bar")]
async fn reverse(text: String) -> std::io::Result<String> {
    Ok(text)
}

fn main() {}
