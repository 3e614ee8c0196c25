#[metropolis::task(subject = "foo.bar")]
async fn length(bytes: &[u8]) -> usize {
    bytes.len()
}

fn main() {}
