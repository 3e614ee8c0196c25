#[metropolis::task(subject = "foo.bar")]
async fn first(words: &Vec<String>) -> &str {
    &words[0]
}

fn main() {}
