#[derive(Debug, thiserror::Error, metropolis::Fault)]
enum UserFault {
    #[error("no user {0}")]
    NotFound(u64),
    #[error("user {0} is gone")]
    Gone(u64),
}

fn main() {}
