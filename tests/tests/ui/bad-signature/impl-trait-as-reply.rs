#[metropolis::task(subject = "foo.bar")]
async fn print() -> impl ToString {
    "text"
}

fn main() {}
