#[metropolis::task(subject = "foo.bar", retries = 3)]
fn reverse(text: String) -> String {
    text
}

fn main() {}
