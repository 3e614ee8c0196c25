#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]
//! What can be a setting.

use metropolis::{Bus, Setting, Worker};
use schemars::JsonSchema;
use serde::Deserialize;

/// A struct.
#[derive(Default, Deserialize, JsonSchema, Setting)]
#[setting(key = "limits")]
#[serde(default)]
pub struct Limits {
    /// How many.
    pub items: u32,
}

#[derive(Deserialize, JsonSchema, Setting)]
#[setting(key = "mode")]
enum Mode {
    Fast,
    Careful,
}

#[derive(Deserialize, JsonSchema)]
struct ByHand(String);

impl Setting for ByHand {
    const KEY: &'static str = "by-hand";
}

/// Takes settings beside other things.
#[metropolis::task(subject = "settings.all")]
async fn all(limits: &Limits, mode: &Mode, by_hand: &ByHand, ctx: &metropolis::Context) -> u32 {
    let _ = (ctx, &by_hand.0);
    match mode {
        Mode::Fast => limits.items,
        Mode::Careful => 1,
    }
}

fn main() {
    let worker = Worker::new(Bus::embedded())
        .follow(Limits::default())
        .follow(Mode::Careful)
        .follow(ByHand("text".to_owned()));
    let _ = (worker, Mode::Fast);
}
