struct Text {
    data: String,
}

struct Txet {
    data: String,
}

#[metropolis::task(subject = "foo.bar")]
async fn reverse(text: Text) -> Txet {
    Txet { data: text.data }
}

fn main() {}
