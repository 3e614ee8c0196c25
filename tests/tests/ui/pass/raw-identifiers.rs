#![deny(warnings)]

#[metropolis::task(subject = "chess.match")]
async fn r#match(r#type: String) -> String {
    r#type
}

#[derive(Debug, thiserror::Error, metropolis::Fault)]
#[allow(non_camel_case_types)]
enum Draw {
    #[error("nobody moves")]
    #[fault(status = 409)]
    r#static,
}

#[metropolis::task(subject = "chess.draw")]
async fn draw() -> Result<(), Draw> {
    Err(Draw::r#static)
}

fn main() {
    let _ = <r#match as metropolis::Task>::META;
}
