//! The names that generated code and the benches may use. Nothing else may, and any release may change them.

pub use inventory::submit;
pub use metropolis_macros::define;
pub use serde_json::Value;

pub use crate::context::Need;
pub use crate::dispatch::Alone;
pub use crate::fault::{DataOf, FaultKinds, NoData, TypedFault};
pub use crate::task::{Fallible, KindOf, OrElse};

/// For generated code; may change in any release. Where the macro is written, when called with a span of that place.
#[doc(hidden)]
#[macro_export]
macro_rules! __here {
    () => {
        $crate::Origin {
            file: ::core::file!(),
            line: ::core::line!(),
            package: ::core::env!("CARGO_PKG_NAME"),
            version: ::core::env!("CARGO_PKG_VERSION"),
        }
    };
}

pub use crate::__here as here;
