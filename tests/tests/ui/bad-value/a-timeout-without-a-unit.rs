#[metropolis::task(subject = "foo.bar", timeout = "2")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
