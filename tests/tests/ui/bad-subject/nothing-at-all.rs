#[metropolis::task(subject = "")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
