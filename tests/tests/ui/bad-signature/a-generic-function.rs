#[metropolis::task(subject = "foo.bar")]
async fn reverse<T>(text: T) -> T {
    text
}

fn main() {}
