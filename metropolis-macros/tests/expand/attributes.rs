// #[metropolis::task(subject = "billing.charge")]

/// Charges a card.
///
///   - once
#[cfg(feature = "billing")]
#[cfg_attr(docs, doc = "Documented.", tracing::instrument)]
#[deprecated(since = "2.0.0", note = "use `charge_card`")]
#[allow(clippy::unused_async)]
#[tracing::instrument]
pub async fn charge(request: Charge) -> Receipt {
    request.pay()
}
/// The task `charge`, as callers name it: `client.call::<charge>(&input)`.
#[cfg(feature = "billing")]
#[cfg_attr(docs, doc = "Documented.")]
#[deprecated(since = "2.0.0", note = "use `charge_card`")]
#[allow(clippy::unused_async)]
#[allow(non_camel_case_types)]
pub struct charge {}
#[allow(clippy::unused_async)]
#[allow(deprecated)]
const _: () = {
    use ::metropolis::__private::OrElse as _;
    impl ::metropolis::Task for charge {
        const META: ::metropolis::TaskMeta = ::metropolis::TaskMeta {
            name: "charge",
            subject: "billing.charge",
            docs: "Charges a card.\n\n  - once",
            deprecated: true,
            origin: ::metropolis::__private::here!(),
            ..::metropolis::TaskMeta::DEFAULT
        };
        type Input = Charge;
        type Output = Receipt;
        type Kind = ::metropolis::__private::Fallible<
            { ::metropolis::__private::KindOf::<Receipt>::FALLIBLE },
        >;
    }
    impl ::metropolis::Served for charge {
        fn run(
            _ctx: &::metropolis::Context,
            input: Self::Input,
        ) -> impl ::core::future::Future<Output = Self::Output> + ::core::marker::Send {
            charge(input)
        }
    }
    ::metropolis::__private::submit! {
        ::metropolis::TaskSpec::of:: < charge > ()
    }
};
