// #[metropolis::task(subject = "users.{id}.get", queue = "users", timeout = "2s")]

/// Looks a user up by id.
async fn get_user(db: &PgPool, ctx: &Context, key: UserKey) -> Result<User, UserFault> {
    db.user(key.id).await
}
/// The task `get_user`, as callers name it: `client.call::<get_user>(&input)`.
#[allow(non_camel_case_types)]
struct get_user {}
const _: () = {
    use ::metropolis::__private::OrElse as _;
    impl ::metropolis::Task for get_user {
        const META: ::metropolis::TaskMeta = ::metropolis::TaskMeta {
            name: "get_user",
            subject: "users.{id}.get",
            queue: "users",
            timeout: ::core::time::Duration::from_millis(2000),
            docs: "Looks a user up by id.",
            origin: ::metropolis::__private::here!(),
            needs: &[
                ::metropolis::__private::Need::of::<PgPool>(),
                ::metropolis::__private::Need::of::<Context>(),
            ],
            ..::metropolis::TaskMeta::DEFAULT
        };
        type Input = UserKey;
        type Output = Result<User, UserFault>;
        type Kind = ::metropolis::__private::Fallible<
            { ::metropolis::__private::KindOf::<Result<User, UserFault>>::FALLIBLE },
        >;
    }
    impl ::metropolis::Served for get_user {
        fn run(
            ctx: &::metropolis::Context,
            input: Self::Input,
        ) -> impl ::core::future::Future<Output = Self::Output> + ::core::marker::Send {
            get_user(ctx.provided::<PgPool>(), ctx.provided::<Context>(), input)
        }
    }
    ::metropolis::__private::submit! {
        ::metropolis::TaskSpec::of:: < get_user > ()
    }
};
