#[metropolis::task(subject = "foo.bar")]
async fn print(text: &(dyn ToString + Send + Sync)) -> String {
    text.to_string()
}

fn main() {}
