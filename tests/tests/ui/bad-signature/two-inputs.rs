#[metropolis::task(subject = "foo.bar")]
async fn join(first: String, second: String) -> String {
    first + &second
}

fn main() {}
