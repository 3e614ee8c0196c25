//! Nothing that is generated may trip a lint.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    nonstandard_style,
    rust_2018_idioms,
    unnameable_types,
    unreachable_pub,
    unused,
    unused_qualifications
)]

use metropolis::Context;

/// Why a user is not given.
#[derive(Debug, thiserror::Error, metropolis::Fault)]
pub enum UserFault {
    /// There is no such user.
    #[error("no user {id}")]
    #[fault(status = 404)]
    NotFound {
        /// Who was asked for.
        id: u64,
    },
}

/// Looks a user up by id.
#[metropolis::task(subject = "users.get")]
pub async fn get_user(ctx: &Context, id: u64) -> Result<String, UserFault> {
    let _ = ctx;
    Err(UserFault::NotFound { id })
}

#[metropolis::task(subject = "users.clear", blocking)]
fn clear() {}

#[metropolis::task(subject = "users.count")]
async fn count(users: &Vec<String>) -> usize {
    users.len()
}

/// Answers elsewhere.
#[metropolis::task(subject = "llm.answer")]
pub async fn answer(question: String) -> Result<String, metropolis::Fault>;

fn main() {}
