#[metropolis::task(subject = "foo.bar")]
async unsafe fn reverse(text: String) -> String {
    text
}

fn main() {}
