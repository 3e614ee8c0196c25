#[metropolis::task(subject = "foo.bar")]
async fn length<'a>(text: &'a String) -> usize {
    text.len()
}

fn main() {}
