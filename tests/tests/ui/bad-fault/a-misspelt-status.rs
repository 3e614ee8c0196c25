#[derive(Debug, thiserror::Error, metropolis::Fault)]
enum UserFault {
    #[error("no user {0}")]
    #[fault(staus = 404)]
    NotFound(u64),
}

fn main() {}
