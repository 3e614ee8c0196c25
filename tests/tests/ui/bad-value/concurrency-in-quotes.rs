#[metropolis::task(subject = "foo.bar", concurrency = "64")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
