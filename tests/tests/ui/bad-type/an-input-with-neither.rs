struct Text {
    data: String,
}

#[metropolis::task(subject = "foo.bar")]
async fn reverse(text: Text) -> String {
    text.data
}

fn main() {}
