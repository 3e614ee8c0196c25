#[metropolis::task(subject = "foo.bar", blocking, blocking)]
fn reverse(text: String) -> String {
    text
}

fn main() {}
