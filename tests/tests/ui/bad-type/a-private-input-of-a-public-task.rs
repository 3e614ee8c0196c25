pub mod texts {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Text {
        data: String,
    }

    #[allow(private_interfaces)]
    #[metropolis::task(subject = "foo.bar")]
    pub async fn reverse(text: Text) -> String {
        text.data
    }
}

fn main() {}
