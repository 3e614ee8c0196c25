#[derive(Debug, thiserror::Error, metropolis::Fault)]
enum UserFault {
    #[error("no user {0}")]
    #[fault(status = 404, code = "user")]
    NotFound(u64),
    #[error("user {0} is gone")]
    #[fault(status = 410, code = "user")]
    Gone(u64),
}

fn main() {}
