#[metropolis::task(subject = "foo.bar", http = "FETCH /users")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
