#[metropolis::task(subject = ".foo")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
