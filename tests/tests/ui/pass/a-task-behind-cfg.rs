#![deny(warnings)]

#[cfg(any())]
#[metropolis::task(subject = "foo.bar")]
async fn before(text: Nothing) -> Nothing {
    text
}

#[metropolis::task(subject = "foo.bar")]
#[cfg(any())]
async fn after(text: Nothing) -> Nothing {
    text
}

#[metropolis::task(subject = "foo.bar")]
#[cfg_attr(all(), doc = "Documented.", must_use)]
#[cfg_attr(any(), deprecated)]
async fn both(text: String) -> String {
    text
}

fn main() {
    let _ = <both as metropolis::Task>::META;
}
