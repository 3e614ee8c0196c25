#![deny(warnings)]

/// A value, whatever its name.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Result<A, B> {
    a: A,
    b: B,
}

#[metropolis::task(subject = "foo.bar")]
async fn pair(text: String) -> Result<String, u8> {
    Result { a: text, b: 1 }
}

fn main() {
    fn is_plain<T: metropolis::Task<Output = Result<String, u8>>>() {}
    is_plain::<pair>();
}
