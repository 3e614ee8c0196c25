#[metropolis::task(subject = "users.*.get")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
