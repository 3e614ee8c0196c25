#![deny(warnings)]

/// Charges a card.
#[metropolis::task(subject = "billing.charge")]
#[deprecated(note = "use `charge_card`")]
async fn charge(cents: u64) -> u64 {
    cents
}

#[metropolis::task(subject = "billing.ask")]
#[deprecated]
async fn ask(cents: u64) -> u64;

fn main() {
    #[allow(deprecated)]
    let _ = <charge as metropolis::Task>::META;
}
