#[metropolis::task(subject = "foo.bar")]
async fn stop() -> Result<String, !> {
    loop {}
}

fn main() {}
