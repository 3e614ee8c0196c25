// #[derive(Fault)]
// #[error("try again in {seconds} s")]
// #[fault(status = 429, crate = "my_metropolis")]
// pub struct TooMany { seconds: u32 }

const _: () = {
    use my_metropolis::__private::NoData as _;
    impl my_metropolis::__private::FaultKinds for TooMany {
        const KINDS: &'static [my_metropolis::FaultKind] = &[
            my_metropolis::FaultKind {
                status: 429,
                code: "too_many",
                message: ::core::option::Option::Some("try again in {seconds} s"),
            },
        ];
        fn kind(&self) -> usize {
            0
        }
        fn data(&self) -> ::core::option::Option<my_metropolis::__private::Value> {
            my_metropolis::__private::DataOf(self).data()
        }
    }
    my_metropolis::__private::submit! {
        my_metropolis::__private::TypedFault::of:: < TooMany > ()
    }
};
