#[metropolis::task(subject = "foo.bar")]
async fn print(text: &impl ToString) -> String {
    text.to_string()
}

fn main() {}
