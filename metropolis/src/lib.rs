//! Skeleton.
pub mod bus;
pub mod catalog;
pub mod client;
pub mod config;
pub mod context;
mod dispatch;
pub mod fault;
pub mod input;
pub mod listing;
mod private;
pub mod route;
pub mod schema;
mod spec;
pub mod subject;
pub mod task;
pub mod wire;
pub mod worker;
