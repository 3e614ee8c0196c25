#[metropolis::task(subject = "foo.bar", http = "GET /users//names")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
