#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Text {
    data: String,
}

#[metropolis::task(subject = "foo.bar")]
async fn reverse(text: Text) -> String {
    text.data
}

async fn ask(client: &metropolis::Client, text: Text) {
    let _ = client.call::<reverse>(&text).await;
}

fn main() {}
