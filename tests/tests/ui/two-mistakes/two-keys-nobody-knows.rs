#[metropolis::task(subject = "foo.bar", retries = 3, cache = "1m")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
