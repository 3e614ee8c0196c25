#[metropolis::task(subject = "foo.bar")]
fn answer(question: String) -> String;

fn main() {}
