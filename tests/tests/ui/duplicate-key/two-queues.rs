#[metropolis::task(subject = "foo.bar", queue = "worker", queue = "other")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
