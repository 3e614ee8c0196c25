#[metropolis::task(subject = "foo.bar", http = "GET /users?id=5")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
