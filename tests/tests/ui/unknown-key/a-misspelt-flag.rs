#[metropolis::task(subject = "foo.bar", bloking)]
fn reverse(text: String) -> String {
    text
}

fn main() {}
