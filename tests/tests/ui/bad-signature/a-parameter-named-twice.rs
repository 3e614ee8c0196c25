#[metropolis::task(subject = "foo.bar")]
async fn reverse(text: &u8, text: String) -> String {
    text
}

fn main() {}
