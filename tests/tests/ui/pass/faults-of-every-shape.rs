#![deny(warnings)]

use metropolis::Fault;

#[derive(Debug, thiserror::Error, metropolis::Fault)]
enum Shapes {
    #[error("unit")]
    #[fault(status = 400)]
    Unit,
    #[error("tuple {0} {1}")]
    #[fault(status = 401, code = "two")]
    Tuple(u8, String),
    #[error("named {name}")]
    #[fault(status = 599)]
    Named { name: String },
    #[error(transparent)]
    #[fault(status = 500)]
    Other(#[from] std::io::Error),
    #[cfg(any())]
    #[error("never")]
    #[fault(status = 599)]
    Absent(Nothing),
}

#[derive(Debug, thiserror::Error, metropolis::Fault)]
enum Never {}

#[derive(Debug, thiserror::Error, metropolis::Fault)]
#[error("try again in {seconds} s")]
#[fault(status = 429, code = "too_many_requests")]
struct TooMany {
    seconds: u32,
}

/// With data that travels.
#[derive(Debug, serde::Serialize, schemars::JsonSchema, thiserror::Error, metropolis::Fault)]
enum WithData {
    #[error("{field} is taken")]
    #[fault(status = 409)]
    Taken { field: String },
}

#[metropolis::task(subject = "faults.shapes")]
async fn shapes(number: u8) -> Result<(), Shapes> {
    match number {
        0 => Err(Shapes::Unit),
        1 => Err(Shapes::Tuple(number, String::new())),
        2 => Err(Shapes::Named { name: String::new() }),
        _ => Err(std::io::Error::other("gone"))?,
    }
}

#[metropolis::task(subject = "faults.never")]
async fn never() -> Result<u8, Never> {
    Ok(1)
}

#[metropolis::task(subject = "faults.struct")]
async fn too_many() -> Result<u8, TooMany> {
    Err(TooMany { seconds: 5 })
}

#[metropolis::task(subject = "faults.data")]
async fn with_data() -> Result<u8, WithData> {
    Err(WithData::Taken { field: String::from("name") })
}

#[metropolis::task(subject = "faults.opaque")]
async fn opaque() -> Result<u8, Fault> {
    Ok(too_many().await? + with_data().await?)
}

fn main() {}
