#[metropolis::task(subject = "foo.bar", retries = 3)]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
