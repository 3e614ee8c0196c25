#[metropolis::task(subject = "foo.bar")]
async fn u8(text: String) -> String {
    text
}

fn main() {}
