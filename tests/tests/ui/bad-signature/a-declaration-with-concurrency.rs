#[metropolis::task(subject = "foo.bar", concurrency = 8)]
async fn answer(question: String) -> String;

fn main() {}
