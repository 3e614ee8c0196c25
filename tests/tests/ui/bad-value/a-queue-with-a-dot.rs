#[metropolis::task(subject = "foo.bar", queue = "worker.fast")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
