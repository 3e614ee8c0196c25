// #[derive(Setting)]
// #[setting(key = "limits", crate = "my_metropolis")]
// pub struct Limits { items: u32 }

impl my_metropolis::Setting for Limits {
    const KEY: &'static str = "limits";
}
