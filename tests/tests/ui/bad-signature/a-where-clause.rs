#[metropolis::task(subject = "foo.bar")]
async fn reverse(text: String) -> String
where
    String: Clone,
{
    text
}

fn main() {}
