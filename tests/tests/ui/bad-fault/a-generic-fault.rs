#[derive(Debug, thiserror::Error, metropolis::Fault)]
enum UserFault<T: std::fmt::Debug + std::fmt::Display> {
    #[error("no user {0}")]
    #[fault(status = 404)]
    NotFound(T),
}

fn main() {}
