#[metropolis::task(subject = "foo.bar")]
async fn print() -> dyn ToString {
    "text"
}

fn main() {}
