#[metropolis::task(subject = "foo.bar", crate = "my metropolis")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
