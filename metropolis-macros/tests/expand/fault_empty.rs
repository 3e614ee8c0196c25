// #[derive(Fault)]
// enum Never {}

const _: () = {
    use ::metropolis::__private::NoData as _;
    impl ::metropolis::__private::FaultKinds for Never {
        const KINDS: &'static [::metropolis::FaultKind] = &[];
        fn kind(&self) -> usize {
            match *self {}
        }
        fn data(&self) -> ::core::option::Option<::metropolis::__private::Value> {
            ::metropolis::__private::DataOf(self).data()
        }
    }
    ::metropolis::__private::submit! {
        ::metropolis::__private::TypedFault::of:: < Never > ()
    }
};
