#[metropolis::task(subject = "metropolis.users")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
