// #[metropolis::task(subject = "llm.answer", timeout = "30s")]

/// The task `answer`, as callers name it: `client.call::<answer>(&input)`.
#[allow(non_camel_case_types)]
pub(crate) struct answer {}
const _: () = {
    use ::metropolis::__private::OrElse as _;
    impl ::metropolis::Task for answer {
        const META: ::metropolis::TaskMeta = ::metropolis::TaskMeta {
            name: "answer",
            subject: "llm.answer",
            timeout: ::core::time::Duration::from_millis(30000),
            docs: "Answers a question.",
            origin: ::metropolis::__private::here!(),
            ..::metropolis::TaskMeta::DEFAULT
        };
        type Input = Question;
        type Output = Result<Answer, metropolis::Fault>;
        type Kind = ::metropolis::__private::Fallible<
            {
                ::metropolis::__private::KindOf::<
                    Result<Answer, metropolis::Fault>,
                >::FALLIBLE
            },
        >;
    }
    ::metropolis::__private::submit! {
        ::metropolis::TaskSpec::declared:: < answer > ()
    }
};
