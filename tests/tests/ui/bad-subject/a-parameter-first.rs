#[metropolis::task(subject = "{id}.get")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
