#[metropolis::task(subject = "foo.bar")]
async fn length(text: std::borrow::Cow<'_, str>) -> usize {
    text.len()
}

fn main() {}
