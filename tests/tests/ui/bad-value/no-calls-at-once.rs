#[metropolis::task(subject = "foo.bar", concurrency = 0)]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
