#[metropolis::task(subject = "foo.bar")]
async fn answer(db: &u8, question: String) -> String;

fn main() {}
