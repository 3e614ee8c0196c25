#[derive(serde::Deserialize, schemars::JsonSchema, metropolis::Setting)]
#[setting(key = "orders.limits")]
struct Limits {
    items: u32,
}

fn main() {}
