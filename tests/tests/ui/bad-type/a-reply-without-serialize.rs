#[derive(schemars::JsonSchema)]
struct Text {
    data: String,
}

#[metropolis::task(subject = "foo.bar")]
async fn reverse(data: String) -> Text {
    Text { data }
}

fn main() {}
