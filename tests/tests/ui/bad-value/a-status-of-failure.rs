#[metropolis::task(subject = "foo.bar", status = 404)]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
