#[derive(Debug, thiserror::Error, metropolis::Fault)]
enum UserFault {
    #[error("no user {0}")]
    #[fault(status = 404, crate = "metropolis")]
    NotFound(u64),
}

fn main() {}
