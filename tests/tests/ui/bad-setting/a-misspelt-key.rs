#[derive(serde::Deserialize, schemars::JsonSchema, metropolis::Setting)]
#[setting(kee = "limits")]
struct Limits {
    items: u32,
}

fn main() {}
