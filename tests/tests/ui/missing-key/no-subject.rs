#[metropolis::task(queue = "worker")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
