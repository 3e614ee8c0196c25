#[derive(Debug, thiserror::Error, metropolis::Fault)]
enum UserFault {
    #[error("no user {0}")]
    #[fault(status = 407)]
    NotFound(u64),
}

fn main() {}
