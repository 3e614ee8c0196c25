#[derive(Debug, thiserror::Error, metropolis::Fault)]
enum UserFault {
    #[error("no user {0}")]
    #[fault(code = "user_not_found")]
    NotFound(u64),
}

fn main() {}
