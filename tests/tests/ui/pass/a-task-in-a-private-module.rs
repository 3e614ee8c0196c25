#![deny(warnings)]

mod outer {
    mod inner {
        #[derive(serde::Deserialize, schemars::JsonSchema)]
        pub(super) struct Text {
            data: String,
        }

        #[metropolis::task(subject = "foo.bar")]
        pub(super) async fn reverse(Text { data }: Text) -> String {
            data
        }

        #[metropolis::task(subject = "foo.baz")]
        async fn shout(text: Text) -> String {
            text.data
        }
    }

    pub fn subject() -> &'static str {
        <inner::reverse as metropolis::Task>::META.subject
    }
}

fn main() {
    let _ = outer::subject();
}
