#[metropolis::task(subject = "foo.bar", blocking)]
async fn answer(question: String) -> String;

fn main() {}
