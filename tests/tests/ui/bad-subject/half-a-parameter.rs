#[metropolis::task(subject = "users.user-{id}.get")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
