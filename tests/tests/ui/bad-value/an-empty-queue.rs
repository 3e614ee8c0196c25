#[metropolis::task(subject = "foo.bar", queue = "")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
