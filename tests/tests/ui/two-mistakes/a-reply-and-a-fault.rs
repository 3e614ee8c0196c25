struct Text {
    data: String,
}

struct Oops;

#[metropolis::task(subject = "foo.bar")]
async fn reverse(data: String) -> Result<Text, Oops> {
    Err(Oops).or(Ok(Text { data }))
}

fn main() {}
