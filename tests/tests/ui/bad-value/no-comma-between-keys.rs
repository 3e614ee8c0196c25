#[metropolis::task(subject = "foo.bar" queue = "worker")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
