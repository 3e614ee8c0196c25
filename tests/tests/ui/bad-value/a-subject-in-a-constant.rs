const SUBJECT: &str = "foo.bar";

#[metropolis::task(subject = SUBJECT)]
async fn reverse(text: String) -> String {
    let _ = SUBJECT;
    text
}

fn main() {}
