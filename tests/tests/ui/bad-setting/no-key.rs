#[derive(serde::Deserialize, schemars::JsonSchema, metropolis::Setting)]
#[setting()]
struct Limits {
    items: u32,
}

fn main() {}
