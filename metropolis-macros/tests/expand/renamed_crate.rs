// #[metropolis::task(subject = "foo.bar", crate = "::outer::metropolis")]

async fn ping(ctx: &Context) -> u8 {
    1
}
/// The task `ping`, as callers name it: `client.call::<ping>(&input)`.
#[allow(non_camel_case_types)]
struct ping {}
const _: () = {
    use ::outer::metropolis::__private::OrElse as _;
    impl ::outer::metropolis::Task for ping {
        const META: ::outer::metropolis::TaskMeta = ::outer::metropolis::TaskMeta {
            name: "ping",
            subject: "foo.bar",
            origin: ::outer::metropolis::__private::here!(),
            needs: &[::outer::metropolis::__private::Need::of::<Context>()],
            ..::outer::metropolis::TaskMeta::DEFAULT
        };
        type Input = ();
        type Output = u8;
        type Kind = ::outer::metropolis::__private::Fallible<
            { ::outer::metropolis::__private::KindOf::<u8>::FALLIBLE },
        >;
    }
    impl ::outer::metropolis::Served for ping {
        fn run(
            ctx: &::outer::metropolis::Context,
            _input: Self::Input,
        ) -> impl ::core::future::Future<Output = Self::Output> + ::core::marker::Send {
            ping(ctx.provided::<Context>())
        }
    }
    ::outer::metropolis::__private::submit! {
        ::outer::metropolis::TaskSpec::of:: < ping > ()
    }
};
