#[metropolis::task(subject = "foo.bar", http = "put /users")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
