#[metropolis::task(subject = "foo.bar")]
async fn reverse(#[cfg(test)] db: &u8, text: String) -> String {
    text
}

fn main() {}
