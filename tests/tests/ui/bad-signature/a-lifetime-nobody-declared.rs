#[metropolis::task(subject = "foo.bar")]
async fn length(text: std::borrow::Cow<'a, str>) -> usize {
    text.len()
}

fn main() {}
