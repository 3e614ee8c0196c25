#[metropolis::task(subject = "foo.bar", timeout = "1.5s")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
