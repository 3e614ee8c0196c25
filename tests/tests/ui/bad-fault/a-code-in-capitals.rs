#[derive(Debug, thiserror::Error, metropolis::Fault)]
enum UserFault {
    #[error("no user {0}")]
    #[fault(status = 404, code = "USER_NOT_FOUND")]
    NotFound(u64),
}

fn main() {}
