#[metropolis::task(subject = "foo.bar", blocking = true)]
fn reverse(text: String) -> String {
    text
}

fn main() {}
