#[derive(metropolis::Setting)]
#[setting(key = "limits")]
struct Limits {
    items: u32,
}

fn main() {}
