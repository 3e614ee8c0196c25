#![deny(warnings)]

// The runtime stands elsewhere, and what stands in its place is something else.
extern crate core as metropolis;
pub mod vendor {
    pub extern crate metropolis as runtime;
}

use vendor::runtime::Context;

#[vendor::runtime::task(subject = "foo.bar", crate = "crate::vendor::runtime")]
async fn reverse(ctx: &Context, text: String) -> Result<String, Refused> {
    let _ = (ctx, text);
    Err(Refused::Always)
}

#[derive(Debug, thiserror::Error, vendor::runtime::Fault)]
#[fault(crate = "crate::vendor::runtime")]
enum Refused {
    #[error("no")]
    #[fault(status = 403)]
    Always,
}

fn main() {}
