struct Limits {
    items: u32,
}

fn main() {
    let worker = metropolis::Worker::new(metropolis::Bus::embedded());
    let _ = worker.follow(Limits { items: 5 });
}
