#[metropolis::task(subject = "foo.bar", timeout = "24h")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
