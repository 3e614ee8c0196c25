#[metropolis::task(subject = "foo.bar", http = "GET")]
async fn reverse(text: String) -> String {
    text
}

fn main() {}
