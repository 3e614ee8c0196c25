#[metropolis::task(subject = "foo.bar", bus = "external")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
