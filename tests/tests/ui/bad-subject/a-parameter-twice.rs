#[metropolis::task(subject = "users.{id}.orders.{id}")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
