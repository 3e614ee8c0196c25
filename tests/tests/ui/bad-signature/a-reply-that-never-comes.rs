#[metropolis::task(subject = "foo.bar")]
async fn stop() -> ! {
    loop {}
}

fn main() {}
