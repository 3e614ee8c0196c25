#[metropolis::task(subject = "foo.bar", blocking)]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
