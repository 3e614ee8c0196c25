#[derive(serde::Deserialize, schemars::JsonSchema, metropolis::Setting)]
struct Limits {
    items: u32,
}

fn main() {}
