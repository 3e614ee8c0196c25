#[metropolis::task(subject = "foo.bar", http = "GET /users/user-{id}")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
