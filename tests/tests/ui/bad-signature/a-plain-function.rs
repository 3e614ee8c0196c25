#[metropolis::task(subject = "foo.bar")]
fn reverse(text: String) -> String {
    text
}

fn main() {}
