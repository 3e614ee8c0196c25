#[metropolis::task(subject = "foo.bar")]
async fn reverse(text: String) -> String {
    let shared = std::rc::Rc::new(text);
    std::future::ready(()).await;
    shared.chars().rev().collect()
}

fn main() {}
