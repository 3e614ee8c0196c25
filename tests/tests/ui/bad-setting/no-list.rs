#[derive(serde::Deserialize, schemars::JsonSchema, metropolis::Setting)]
#[setting = "limits"]
struct Limits {
    items: u32,
}

fn main() {}
