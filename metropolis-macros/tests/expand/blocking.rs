// #[metropolis::task(subject = "pictures.resize", blocking)]

fn resize(store: &Store, picture: Picture) -> Picture {
    store.keep(picture.half())
}
/// The task `resize`, as callers name it: `client.call::<resize>(&input)`.
#[allow(non_camel_case_types)]
struct resize {}
const _: () = {
    use ::metropolis::__private::OrElse as _;
    impl ::metropolis::Task for resize {
        const META: ::metropolis::TaskMeta = ::metropolis::TaskMeta {
            name: "resize",
            subject: "pictures.resize",
            blocking: true,
            origin: ::metropolis::__private::here!(),
            needs: &[::metropolis::__private::Need::of::<Store>()],
            ..::metropolis::TaskMeta::DEFAULT
        };
        type Input = Picture;
        type Output = Picture;
        type Kind = ::metropolis::__private::Fallible<
            { ::metropolis::__private::KindOf::<Picture>::FALLIBLE },
        >;
    }
    impl ::metropolis::Served for resize {
        fn run(
            ctx: &::metropolis::Context,
            input: Self::Input,
        ) -> impl ::core::future::Future<Output = Self::Output> + ::core::marker::Send {
            ::core::future::ready(resize(ctx.provided::<Store>(), input))
        }
    }
    ::metropolis::__private::submit! {
        ::metropolis::TaskSpec::of:: < resize > ()
    }
};
