#[derive(Debug, thiserror::Error, metropolis::Fault)]
enum UserFault {
    #[error("no user {0}")]
    NotFound(u64),
}

#[metropolis::task(subject = "users.find")]
async fn find_user(id: u64) -> Result<String, UserFault> {
    Err(UserFault::NotFound(id))
}

fn main() {}
