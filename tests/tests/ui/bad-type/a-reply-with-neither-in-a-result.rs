struct Text {
    data: String,
}

#[metropolis::task(subject = "foo.bar")]
async fn reverse(data: String) -> Result<Text, metropolis::Fault> {
    Ok(Text { data })
}

fn main() {}
