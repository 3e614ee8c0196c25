#[metropolis::task(subject = "foo.bar", blocking)]
extern "C" fn reverse(text: String) -> String {
    text
}

fn main() {}
