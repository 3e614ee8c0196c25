#![deny(warnings)]

macro_rules! echo {
    ($vis:vis $name:ident, $subject:literal, $state:ty, $input:ty => $output:ty, $timeout:literal, $calls:literal) => {
        #[metropolis::task(subject = $subject, timeout = $timeout, concurrency = $calls)]
        $vis async fn $name(state: $state, input: $input) -> $output {
            let _ = state;
            Ok(input)
        }
    };
}

echo!(pub get, "foo.get", &u8, String => Result<String, metropolis::Fault>, "2s", 8);
echo!(put, "foo.put", &metropolis::Context, u64 => Result<u64, metropolis::Fault>, "500ms", 16);

macro_rules! faults {
    ($name:ident: $($variant:ident = $status:literal $code:literal),*) => {
        #[derive(Debug, thiserror::Error, metropolis::Fault)]
        enum $name {
            $(#[error($code)] #[fault(status = $status, code = $code)] $variant,)*
        }
    };
}

faults!(Oops: Gone = 410 "gone", Full = 507 "full");

#[metropolis::task(subject = "foo.oops")]
async fn oops(full: bool) -> Result<(), Oops> {
    Err(if full { Oops::Full } else { Oops::Gone })
}

const _: () = assert!(<get as metropolis::Task>::META.concurrency == 8);

fn main() {}
