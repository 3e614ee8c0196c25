// #[metropolis::task(subject = "cache.clear")]

async fn clear() {}
/// The task `clear`, as callers name it: `client.call::<clear>(&input)`.
#[allow(non_camel_case_types)]
struct clear {}
const _: () = {
    use ::metropolis::__private::OrElse as _;
    impl ::metropolis::Task for clear {
        const META: ::metropolis::TaskMeta = ::metropolis::TaskMeta {
            name: "clear",
            subject: "cache.clear",
            origin: ::metropolis::__private::here!(),
            ..::metropolis::TaskMeta::DEFAULT
        };
        type Input = ();
        type Output = ();
        type Kind = ::metropolis::__private::Fallible<
            { ::metropolis::__private::KindOf::<()>::FALLIBLE },
        >;
    }
    impl ::metropolis::Served for clear {
        fn run(
            _ctx: &::metropolis::Context,
            _input: Self::Input,
        ) -> impl ::core::future::Future<Output = Self::Output> + ::core::marker::Send {
            clear()
        }
    }
    ::metropolis::__private::submit! {
        ::metropolis::TaskSpec::of:: < clear > ()
    }
};
