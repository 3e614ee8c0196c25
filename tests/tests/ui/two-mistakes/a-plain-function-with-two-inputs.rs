#[metropolis::task(subject = "foo.bar")]
fn join(first: String, second: String) -> String {
    first + &second
}

fn main() {}
