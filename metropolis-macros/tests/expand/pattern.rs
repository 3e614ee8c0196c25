// #[metropolis::task(subject = "text.shout", http = "none")]

async fn shout(Text { data }: Text, ctx: &Context) -> String {
    data.to_uppercase()
}
/// The task `shout`, as callers name it: `client.call::<shout>(&input)`.
#[allow(non_camel_case_types)]
struct shout {}
const _: () = {
    use ::metropolis::__private::OrElse as _;
    impl ::metropolis::Task for shout {
        const META: ::metropolis::TaskMeta = ::metropolis::TaskMeta {
            name: "shout",
            subject: "text.shout",
            http: ::core::option::Option::Some("none"),
            origin: ::metropolis::__private::here!(),
            needs: &[::metropolis::__private::Need::of::<Context>()],
            ..::metropolis::TaskMeta::DEFAULT
        };
        type Input = Text;
        type Output = String;
        type Kind = ::metropolis::__private::Fallible<
            { ::metropolis::__private::KindOf::<String>::FALLIBLE },
        >;
    }
    impl ::metropolis::Served for shout {
        fn run(
            ctx: &::metropolis::Context,
            input: Self::Input,
        ) -> impl ::core::future::Future<Output = Self::Output> + ::core::marker::Send {
            shout(input, ctx.provided::<Context>())
        }
    }
    ::metropolis::__private::submit! {
        ::metropolis::TaskSpec::of:: < shout > ()
    }
};
