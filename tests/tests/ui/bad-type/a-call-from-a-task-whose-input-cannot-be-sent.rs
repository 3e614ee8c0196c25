#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Text {
    data: String,
}

#[metropolis::task(subject = "foo.bar")]
async fn reverse(text: Text) -> String {
    text.data
}

#[metropolis::task(subject = "foo.ask")]
async fn ask(ctx: &metropolis::Context, text: Text) {
    let _ = ctx.call::<reverse>(&text).await;
}

fn main() {}
