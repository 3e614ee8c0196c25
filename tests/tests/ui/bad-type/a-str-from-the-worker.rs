#[metropolis::task(subject = "foo.bar")]
async fn length(text: &str) -> usize {
    text.len()
}

fn main() {}
