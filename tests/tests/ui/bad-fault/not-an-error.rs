#[derive(metropolis::Fault)]
enum UserFault {
    #[fault(status = 404)]
    NotFound(u64),
}

fn main() {}
