#[derive(serde::Deserialize, schemars::JsonSchema, metropolis::Setting)]
#[setting(key = "limits")]
struct Limits<T> {
    items: T,
}

fn main() {}
