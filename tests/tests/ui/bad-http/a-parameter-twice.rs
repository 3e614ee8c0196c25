#[metropolis::task(subject = "foo.bar", http = "GET /users/{id}/orders/{id}")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
