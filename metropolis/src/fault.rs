//! Faults: how a task says no, in a form that travels.
//!
//! A [`Fault`] has a public half (status, code, message, data), which the caller gets, and a private half (the cause),
//! which is logged and never sent. An enum that derives [`Fault`](derive@crate::Fault) names its faults once; `?` turns
//! any other error into a 500 that tells strangers nothing.

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::ops::Deref;

use serde_json::Value;

use crate::trace::TraceId;

mod data;

pub use data::{DataOf, NoData};

/// A private cause, of any error type.
pub type Cause = Box<dyn Error + Send + Sync>;

/// The code of a fault whose cause is private.
pub const INTERNAL: &str = "internal";
/// The code of an input that does not fit the task.
pub const BAD_INPUT: &str = "bad_input";

/// What strangers are told of a private cause.
const INTERNAL_MESSAGE: &str = "internal error";

/// A failed call: an HTTP status, a stable code and a message that is safe for strangers.
///
/// Any `std::error::Error` becomes one by `?`: an error that derives [`Fault`](derive@crate::Fault) keeps its status and
/// code, every other is a 500 whose cause is logged and never sent.
///
/// ```
/// fn parse(text: &str) -> Result<u16, metropolis::Fault> {
///     Ok(text.parse::<u16>()?)
/// }
/// let fault = parse("x").unwrap_err();
/// assert_eq!((fault.status(), fault.code(), fault.message()), (500, "internal", "internal error"));
/// ```
pub struct Fault(Box<Inner>);

struct Inner {
    status: u16,
    code: Cow<'static, str>,
    message: String,
    data: Option<Value>,
    cause: Option<Cause>,
    trace_id: Option<TraceId>,
}

impl Fault {
    /// A fault with a status of 400 to 599, a code for programs and a message for people.
    ///
    /// A status outside the range, and 407, which belongs to proxies, counts as 500.
    pub fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self(Box::new(Inner {
            status: checked_status(status),
            code: code.into(),
            message: message.into(),
            data: None,
            cause: None,
            trace_id: None,
        }))
    }

    /// A 500 that hides its cause.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::new(500, INTERNAL, INTERNAL_MESSAGE).with_cause(cause)
    }

    /// Adds public details, sent to the caller as `data`.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Value>) -> Self {
        self.0.data = Some(data.into());
        self
    }

    /// Adds the private cause, logged where the task runs and never sent.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<Cause>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Says which trace it happened in, unless that is known already.
    #[must_use]
    pub fn in_trace(mut self, trace_id: Option<TraceId>) -> Self {
        self.0.trace_id = self.0.trace_id.or(trace_id);
        self
    }

    /// The HTTP status, 400 to 599.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The stable code that programs compare.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The public message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Public details, usually the fields of the fault's variant.
    #[must_use]
    pub fn data(&self) -> Option<&Value> {
        self.0.data.as_ref()
    }

    /// The trace it happened in, by which its log lines and spans are found; absent where nobody traces.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        self.0.trace_id
    }

    /// The private cause; always absent at a caller.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }

    /// Which of `E`'s kinds this is, recognised by its code; `None` when it is none of them.
    #[must_use]
    pub fn kind<E: FaultKinds>(&self) -> Option<&'static FaultKind> {
        E::KINDS.iter().find(|kind| kind.code == self.code())
    }

    /// The fault that an error of a known kind describes, with the error as its cause.
    fn of_kind<E: FaultKinds>(error: E) -> Self {
        let kind = E::KINDS.get(error.kind()).unwrap_or(&FaultKind::INTERNAL);
        let data = error.data();
        let mut fault = Self::new(kind.status, kind.code, error.message());
        fault.0.data = data;
        fault.with_cause(error.into_cause())
    }
}

fn checked_status(status: u16) -> u16 {
    match status {
        407 => 500,
        400..=599 => status,
        _ => 500,
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// A `Fault` is not an `Error` itself, or no blanket `From` could exist for `?`; it lends one instead.
impl Deref for Fault {
    type Target = dyn Error + Send + Sync + 'static;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("status", &self.status)
            .field("code", &self.code)
            .field("message", &self.message)
            .field("data", &self.data)
            .field("cause", &self.cause)
            .finish()
    }
}

impl Error for Inner {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause
            .as_ref()
            .map(|cause| &**cause as &(dyn Error + 'static))
    }
}

/// One kind of fault that a task declares: a variant of an enum that derives [`Fault`](derive@crate::Fault).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultKind {
    /// HTTP status, 400 to 599.
    pub status: u16,
    /// The stable code, by which a caller recognises the kind.
    pub code: &'static str,
    /// The message as it was declared, for the documentation; its placeholders are filled in at run time.
    pub message: Option<&'static str>,
}

impl FaultKind {
    const INTERNAL: Self = Self {
        status: 500,
        code: INTERNAL,
        message: Some(INTERNAL_MESSAGE),
    };
}

/// What `?` accepts in a function that returns [`Fault`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become a `Fault`",
    label = "not an error",
    note = "`?` takes any `std::error::Error + Send + Sync + 'static`"
)]
pub trait IntoCause {
    #[doc(hidden)]
    fn into_cause(self) -> Cause;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Cause>> IntoCause for E {
    fn into_cause(self) -> Cause {
        self.into()
    }
}

impl<E: IntoCause> From<E> for Fault {
    /// An error whose type derives `Fault` keeps status and code; every other is a 500.
    fn from(error: E) -> Self {
        let mut cause = error.into_cause();
        for typed in inventory::iter::<TypedFault> {
            cause = match (typed.recognise)(cause) {
                Ok(fault) => return fault,
                Err(other) => other,
            };
        }
        Self::internal(cause)
    }
}

/// What a type must be before it can derive [`Fault`](derive@crate::Fault): an error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error",
    label = "needs `std::error::Error + Send + Sync + 'static`",
    note = "add `#[derive(Debug, thiserror::Error)]` and an `#[error(\"…\")]` message to each variant"
)]
pub trait FaultError: Sized {
    #[doc(hidden)]
    fn into_cause(self) -> Cause;
    #[doc(hidden)]
    fn message(&self) -> String;
    /// Here and not a bound of `TypedFault::of`, which would repeat that the type is no error.
    #[doc(hidden)]
    fn recognise(cause: Cause) -> Result<Self, Cause>;
}

#[diagnostic::do_not_recommend]
impl<E: Error + Send + Sync + 'static> FaultError for E {
    fn into_cause(self) -> Cause {
        Box::new(self)
    }

    fn message(&self) -> String {
        self.to_string()
    }

    fn recognise(cause: Cause) -> Result<Self, Cause> {
        cause.downcast::<Self>().map(|error| *error)
    }
}

/// The kinds of fault of an enum; written by `#[derive(metropolis::Fault)]`.
pub trait FaultKinds: FaultError {
    /// One entry a variant.
    const KINDS: &'static [FaultKind];

    /// This value's place in `KINDS`.
    fn kind(&self) -> usize;

    /// This value's fields, when the enum is `Serialize`.
    fn data(&self) -> Option<Value>;
}

/// What may stand for `E` in a task's `Result<T, E>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a task's fault",
    label = "needs `#[derive(metropolis::Fault)]`",
    note = "derive it on an error enum of your own, or return `Result<_, metropolis::Fault>` and use `?`"
)]
pub trait TaskFault {
    #[doc(hidden)]
    const KINDS: &'static [FaultKind];
    #[doc(hidden)]
    fn into_fault(self) -> Fault;
}

#[diagnostic::do_not_recommend]
impl<E: FaultKinds> TaskFault for E {
    const KINDS: &'static [FaultKind] = E::KINDS;

    fn into_fault(self) -> Fault {
        Fault::of_kind(self)
    }
}

impl TaskFault for Fault {
    const KINDS: &'static [FaultKind] = &[];

    fn into_fault(self) -> Fault {
        self
    }
}

impl TaskFault for Infallible {
    const KINDS: &'static [FaultKind] = &[];

    fn into_fault(self) -> Fault {
        match self {}
    }
}

/// For generated code; may change in any release. Lets `?` recognise a typed fault behind `dyn Error`.
#[derive(Debug)]
pub struct TypedFault {
    recognise: fn(Cause) -> Result<Fault, Cause>,
}

impl TypedFault {
    /// For generated code; may change in any release.
    #[must_use]
    pub const fn of<E: FaultKinds>() -> Self {
        Self::by(|cause| E::recognise(cause).map(Fault::of_kind))
    }

    /// A recogniser of an error that is no enum of a user's.
    pub(crate) const fn by(recognise: fn(Cause) -> Result<Fault, Cause>) -> Self {
        Self { recognise }
    }
}

inventory::collect!(TypedFault);

#[cfg(test)]
mod tests;
