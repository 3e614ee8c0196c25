#[metropolis::task(subject = "foo.bar")]
async fn length(text: &'static String) -> usize {
    text.len()
}

fn main() {}
