#[metropolis::task(subject = "foo.bar")]
async fn collect(text: String) -> Vec<_> {
    vec![text]
}

fn main() {}
