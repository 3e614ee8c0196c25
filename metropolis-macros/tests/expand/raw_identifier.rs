// #[metropolis::task(subject = "chess.match")]

pub async fn r#match(r#type: Kind) -> Game {
    play(r#type)
}
/// The task `match`, as callers name it: `client.call::<r#match>(&input)`.
#[allow(non_camel_case_types)]
pub struct r#match {}
const _: () = {
    use ::metropolis::__private::OrElse as _;
    impl ::metropolis::Task for r#match {
        const META: ::metropolis::TaskMeta = ::metropolis::TaskMeta {
            name: "match",
            subject: "chess.match",
            origin: ::metropolis::__private::here!(),
            ..::metropolis::TaskMeta::DEFAULT
        };
        type Input = Kind;
        type Output = Game;
        type Kind = ::metropolis::__private::Fallible<
            { ::metropolis::__private::KindOf::<Game>::FALLIBLE },
        >;
    }
    impl ::metropolis::Served for r#match {
        fn run(
            _ctx: &::metropolis::Context,
            input: Self::Input,
        ) -> impl ::core::future::Future<Output = Self::Output> + ::core::marker::Send {
            r#match(input)
        }
    }
    ::metropolis::__private::submit! {
        ::metropolis::TaskSpec::of:: < r#match > ()
    }
};
