//! Skeleton.
#![forbid(unsafe_code)]

pub mod bus;
pub mod subject;
pub mod wire;
