//! Lists routes and the OpenAPI document without starting anything: `cargo run --bin routes`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Order {
    id: u64,
    items: Vec<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct OrderKey {
    id: u64,
}

/// Places an order.
#[metropolis::task(subject = "orders", queue = "orders", status = 201)]
async fn place_order(order: Order) -> Order {
    order
}

/// Looks an order up; served by another package, declared here.
#[metropolis::task(subject = "orders.{id}.get", queue = "orders")]
async fn get_order(key: OrderKey) -> Result<Order, metropolis::Fault>;

/// Recounts the stock; for other services only.
#[metropolis::task(subject = "stock.recount", http = "none")]
async fn recount() {}

#[expect(clippy::print_stdout, reason = "printing is what this program is for")]
fn main() -> Result<(), metropolis::catalog::Problems> {
    println!("{}\n", metropolis::routes()?);
    println!("{:#}", metropolis_gateway::openapi()?);
    Ok(())
}
