#[metropolis::task(subject = "foo.bar", timeout = "0ms")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
