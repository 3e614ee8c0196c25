#[metropolis::task]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
