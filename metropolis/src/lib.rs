//! Skeleton.

pub mod input;
pub mod schema;
