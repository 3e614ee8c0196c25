#![deny(warnings)]

use metropolis::{Context as Surroundings, Fault as Trouble, task as work};
use std::result::Result as Either;
use std::string::String as Text;

type Here = Surroundings;

#[work(subject = "foo.bar")]
async fn reverse(here: &Here, there: &Surroundings, text: Text) -> Either<Text, Trouble> {
    let _ = (here, there);
    Ok(text)
}

fn main() {}
