#[metropolis::task(subject = "foo.bar", http = "/users")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
