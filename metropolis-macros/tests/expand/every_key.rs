// #[metropolis::task(subject = "users.{id}.rename", queue = "users", http = "PUT /users/{id}/name", timeout = "500ms", concurrency = 1_000, status = 202, blocking, bus = "internal")]

pub fn rename(change: Rename) {}
/// The task `rename`, as callers name it: `client.call::<rename>(&input)`.
#[allow(non_camel_case_types)]
pub struct rename {}
const _: () = {
    use ::metropolis::__private::OrElse as _;
    impl ::metropolis::Task for rename {
        const META: ::metropolis::TaskMeta = ::metropolis::TaskMeta {
            name: "rename",
            subject: "users.{id}.rename",
            queue: "users",
            http: ::core::option::Option::Some("PUT /users/{id}/name"),
            timeout: ::core::time::Duration::from_millis(500),
            concurrency: 1000,
            status: ::core::option::Option::Some(202),
            blocking: true,
            internal: true,
            origin: ::metropolis::__private::here!(),
            ..::metropolis::TaskMeta::DEFAULT
        };
        type Input = Rename;
        type Output = ();
        type Kind = ::metropolis::__private::Fallible<
            { ::metropolis::__private::KindOf::<()>::FALLIBLE },
        >;
    }
    impl ::metropolis::Served for rename {
        fn run(
            _ctx: &::metropolis::Context,
            input: Self::Input,
        ) -> impl ::core::future::Future<Output = Self::Output> + ::core::marker::Send {
            ::core::future::ready(rename(input))
        }
    }
    ::metropolis::__private::submit! {
        ::metropolis::TaskSpec::of:: < rename > ()
    }
};
