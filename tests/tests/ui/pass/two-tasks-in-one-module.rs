#![deny(warnings)]

mod tasks {
    #[metropolis::task(subject = "foo.reverse")]
    pub async fn reverse(text: String) -> String {
        text.chars().rev().collect()
    }

    #[metropolis::task(subject = "foo.shout")]
    pub async fn shout(text: String) -> String {
        super::later(reverse(text)).await.to_uppercase()
    }
}

mod others {
    #[metropolis::task(subject = "others.reverse")]
    pub async fn reverse(text: String) -> String {
        text
    }
}

async fn later<T>(future: impl Future<Output = T>) -> T {
    future.await
}

use tasks::reverse;

fn main() {
    drop(reverse(String::new()));
    drop(others::reverse(String::new()));
    let _ = (<reverse as metropolis::Task>::META, <others::reverse as metropolis::Task>::META);
}
