// #[metropolis::task(subject = "foo.bar", queue = "worker")]

/// Returns the text reversed.
async fn reverse(text: Text) -> String {
    text.data.chars().rev().collect()
}
/// The task `reverse`, as callers name it: `client.call::<reverse>(&input)`.
#[allow(non_camel_case_types)]
struct reverse {}
const _: () = {
    use ::metropolis::__private::OrElse as _;
    impl ::metropolis::Task for reverse {
        const META: ::metropolis::TaskMeta = ::metropolis::TaskMeta {
            name: "reverse",
            subject: "foo.bar",
            queue: "worker",
            docs: "Returns the text reversed.",
            origin: ::metropolis::__private::here!(),
            ..::metropolis::TaskMeta::DEFAULT
        };
        type Input = Text;
        type Output = String;
        type Kind = ::metropolis::__private::Fallible<
            { ::metropolis::__private::KindOf::<String>::FALLIBLE },
        >;
    }
    impl ::metropolis::Served for reverse {
        fn run(
            _ctx: &::metropolis::Context,
            input: Self::Input,
        ) -> impl ::core::future::Future<Output = Self::Output> + ::core::marker::Send {
            reverse(input)
        }
    }
    ::metropolis::__private::submit! {
        ::metropolis::TaskSpec::of:: < reverse > ()
    }
};
