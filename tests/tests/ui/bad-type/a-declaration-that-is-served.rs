#[metropolis::task(subject = "llm.answer")]
async fn answer(question: String) -> String;

fn worker(bus: metropolis::Bus) -> metropolis::Worker {
    metropolis::Worker::new(bus).serve::<answer>()
}

fn main() {}
