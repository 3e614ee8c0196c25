#[derive(Clone, Copy, metropolis::Fault)]
union UserFault {
    not_found: u64,
}

fn main() {}
