struct Texts;

impl Texts {
    #[metropolis::task(subject = "foo.bar")]
    async fn reverse(text: String) -> String {
        text
    }
}

fn main() {}
