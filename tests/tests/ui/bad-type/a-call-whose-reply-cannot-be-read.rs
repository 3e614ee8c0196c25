#[derive(serde::Serialize, schemars::JsonSchema)]
struct Text {
    data: String,
}

#[metropolis::task(subject = "foo.bar")]
async fn reverse(data: String) -> Text {
    Text { data }
}

async fn ask(client: &metropolis::Client) {
    let _ = client.call::<reverse>(&String::new()).await;
}

fn main() {}
