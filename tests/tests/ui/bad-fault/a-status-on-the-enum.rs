#[derive(Debug, thiserror::Error, metropolis::Fault)]
#[fault(status = 404)]
enum UserFault {
    #[error("no user {0}")]
    #[fault(status = 404)]
    NotFound(u64),
}

fn main() {}
