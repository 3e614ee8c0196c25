#[metropolis::task(subject = "foo.bar", http = "GET /users/")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
