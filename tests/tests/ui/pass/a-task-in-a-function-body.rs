#![deny(warnings)]

fn main() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Text {
        data: String,
    }

    #[metropolis::task(subject = "foo.bar")]
    async fn reverse(text: Text) -> String {
        text.data
    }

    drop(reverse(Text { data: String::new() }));
    let _ = <reverse as metropolis::Task>::META;
}
