// #[derive(Fault)]
// enum UserFault {
//     #[error("no user {0}")]
//     #[fault(status = 404, code = "user_not_found")]
//     NotFound(Uuid),
//     #[error("{name} is taken")]
//     #[fault(status = 409)]
//     NameTaken { name: String },
//     #[error(transparent)]
//     #[fault(status = 503)]
//     NoHTTPBackend(#[from] io::Error),
// }

const _: () = {
    use ::metropolis::__private::NoData as _;
    impl ::metropolis::__private::FaultKinds for UserFault {
        const KINDS: &'static [::metropolis::FaultKind] = &[
            ::metropolis::FaultKind {
                status: 404,
                code: "user_not_found",
                message: ::core::option::Option::Some("no user {0}"),
            },
            ::metropolis::FaultKind {
                status: 409,
                code: "name_taken",
                message: ::core::option::Option::Some("{name} is taken"),
            },
            ::metropolis::FaultKind {
                status: 503,
                code: "no_http_backend",
                message: ::core::option::Option::None,
            },
        ];
        fn kind(&self) -> usize {
            match self {
                Self::NotFound { .. } => 0,
                Self::NameTaken { .. } => 1,
                Self::NoHTTPBackend { .. } => 2,
            }
        }
        fn data(&self) -> ::core::option::Option<::metropolis::__private::Value> {
            ::metropolis::__private::DataOf(self).data()
        }
    }
    ::metropolis::__private::submit! {
        ::metropolis::__private::TypedFault::of:: < UserFault > ()
    }
};
