#[derive(serde::Deserialize, schemars::JsonSchema, metropolis::Setting)]
#[setting(key = limits)]
struct Limits {
    items: u32,
}

fn main() {}
