#[metropolis::task(subject = "$SRV.users")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
