#[metropolis::task(subject = "foo.bar", blocking)]
const fn reverse(text: String) -> String {
    text
}

fn main() {}
