struct Text {
    data: String,
}

#[metropolis::task(subject = "foo.bar")]
async fn count(texts: Vec<Text>) -> usize {
    texts.iter().map(|text| text.data.len()).sum()
}

fn main() {}
