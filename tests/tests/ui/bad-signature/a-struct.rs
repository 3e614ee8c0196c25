#[metropolis::task(subject = "foo.bar")]
struct Text {
    data: String,
}

fn main() {}
