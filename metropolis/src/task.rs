//! Task: what the attribute implements, and the traits of its input and its reply with their error texts.
//!
//! These are the only traits a user meets, always through a compiler message. Everything a task does between bytes and
//! bytes is ordinary generic code here, never generated.

use std::any::TypeId;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::{Context, Need};
use crate::fault::{Fault, TaskFault};
use crate::input::{self, InputError, Place, Shape, Text};
use crate::wire::{CONTENT_TYPE, Envelope, Headers, JSON, Reply, Success};

/// An annotated function, or a declaration of one that lives elsewhere.
///
/// `#[metropolis::task]` implements it on a type of the function's name: `client.call::<get_user>(&input)`.
pub trait Task: Sized + 'static {
    /// What the annotation said.
    const META: TaskMeta;
    /// The parameter taken by value, or `()`.
    type Input: Payload;
    /// The return type as written.
    type Output: Outcome<Self::Kind>;
    /// Whether `Output` is a value or a `Result`.
    #[doc(hidden)]
    type Kind;
}

/// A task with a body, which a worker can serve.
#[diagnostic::on_unimplemented(
    message = "the task `{Self}` is declared without a body and cannot be served",
    label = "a declaration",
    note = "serve it where its function has a body; here it can only be called"
)]
pub trait Served: Task {
    /// Calls the function.
    fn run(ctx: &Context, input: Self::Input) -> impl Future<Output = Self::Output> + Send;
}

/// What an annotation says about its task, defaults filled in.
#[derive(Debug, Clone, Copy)]
pub struct TaskMeta {
    /// The function's name.
    pub name: &'static str,
    /// The declared subject, parameters in braces.
    pub subject: &'static str,
    /// The queue group whose members share the work.
    pub queue: &'static str,
    /// The route as written, `"none"` to have none; derived from the subject when absent.
    pub http: Option<&'static str>,
    /// The longest one call may take.
    pub timeout: Duration,
    /// Calls in flight per worker process; as many again may wait.
    pub concurrency: usize,
    /// HTTP status of success; 200, or 204 for an empty reply, when absent.
    pub status: Option<u16>,
    /// Whether the function blocks and runs on the blocking pool.
    pub blocking: bool,
    /// Whether it is kept off the external bus where there are two, and off every gateway.
    pub internal: bool,
    /// The function's doc comment.
    pub docs: &'static str,
    /// Whether the function is `#[deprecated]`.
    pub deprecated: bool,
    /// Where the function stands.
    pub origin: Origin,
    /// The types it takes by reference.
    pub needs: &'static [Need],
}

impl TaskMeta {
    /// The defaults of every key; name, subject and origin are empty.
    pub const DEFAULT: Self = Self {
        name: "",
        subject: "",
        queue: "worker",
        http: None,
        timeout: Duration::from_secs(30),
        concurrency: 256,
        status: None,
        blocking: false,
        internal: false,
        docs: "",
        deprecated: false,
        origin: Origin::UNKNOWN,
        needs: &[],
    };
}

/// Where a task was written: for messages, and for the service it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Source file, as the compiler was given it.
    pub file: &'static str,
    /// Line of the function's name.
    pub line: u32,
    /// The package that holds it.
    pub package: &'static str,
    /// That package's version.
    pub version: &'static str,
}

impl Origin {
    const UNKNOWN: Self = Self {
        file: "",
        line: 0,
        package: "",
        version: "",
    };
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Bytes that are not JSON, with their media type: an input or a reply that the framework passes on as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// The bytes.
    pub bytes: Bytes,
    /// Their media type, such as `image/png`.
    pub media_type: String,
}

impl Raw {
    /// Bytes of a media type.
    pub fn new(bytes: impl Into<Bytes>, media_type: impl Into<String>) -> Self {
        Self {
            bytes: bytes.into(),
            media_type: media_type.into(),
        }
    }
}

/// What a task can take by value: any `Deserialize + JsonSchema`, or [`Raw`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a task's input",
    label = "needs `Deserialize` and `JsonSchema`",
    note = "add `#[derive(serde::Deserialize, schemars::JsonSchema)]` to `{Self}`"
)]
pub trait Payload: Sized {
    #[doc(hidden)]
    fn decode(shape: &Shape, envelope: &Envelope) -> Result<Self, InputError>;
    /// The input's schema; `None` when any bytes will do.
    #[doc(hidden)]
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema>;
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + JsonSchema> Payload for T {
    fn decode(shape: &Shape, envelope: &Envelope) -> Result<Self, InputError> {
        let parameters = envelope.parameters.iter();
        let texts: Vec<Text<'_>> = parameters
            .map(|(name, value)| Text {
                name,
                value,
                place: Place::Subject,
            })
            .collect();
        input::decode(shape, &texts, &envelope.payload)
    }

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }
}

impl Payload for Raw {
    fn decode(_: &Shape, envelope: &Envelope) -> Result<Self, InputError> {
        let media_type = envelope.media_type.as_deref().unwrap_or(JSON);
        Ok(Self::new(envelope.payload.clone(), media_type))
    }

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

/// What a task can return: a value, or a `Result` of a value and a fault.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a task's reply",
    label = "needs `Serialize` and `JsonSchema`",
    note = "add `#[derive(serde::Serialize, schemars::JsonSchema)]` to `{Self}`"
)]
pub trait Outcome<Kind> {
    /// The value of success.
    type Value: ReplyValue;
    /// The fault, `Infallible` for a task that cannot fail.
    type Fault: TaskFault;
    #[doc(hidden)]
    fn split(self) -> Result<Self::Value, Self::Fault>;
}

impl<T: ReplyValue> Outcome<Fallible<false>> for T {
    type Value = T;
    type Fault = Infallible;

    fn split(self) -> Result<T, Infallible> {
        Ok(self)
    }
}

impl<T: ReplyValue, E: TaskFault> Outcome<Fallible<true>> for Result<T, E> {
    type Value = T;
    type Fault = E;

    fn split(self) -> Self {
        self
    }
}

/// The value a task returns: any `Serialize + JsonSchema`, or [`Raw`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a task's reply",
    label = "needs `Serialize` and `JsonSchema`",
    note = "add `#[derive(serde::Serialize, schemars::JsonSchema)]` to `{Self}`"
)]
pub trait ReplyValue {
    #[doc(hidden)]
    fn encode(self, headers: Headers) -> Result<Success, Fault>;
    /// The value's schema; `None` when it is raw bytes.
    #[doc(hidden)]
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema>;
    /// Whether the reply is empty.
    #[doc(hidden)]
    fn is_nothing() -> bool;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + JsonSchema + 'static> ReplyValue for T {
    fn encode(self, headers: Headers) -> Result<Success, Fault> {
        let payload = if Self::is_nothing() {
            Vec::new()
        } else {
            serde_json::to_vec(&self)?
        };
        Ok(Success {
            headers,
            payload: Bytes::from(payload),
        })
    }

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }

    fn is_nothing() -> bool {
        TypeId::of::<T>() == TypeId::of::<()>()
    }
}

impl ReplyValue for Raw {
    fn encode(self, mut headers: Headers) -> Result<Success, Fault> {
        headers.append(CONTENT_TYPE, self.media_type)?;
        Ok(Success {
            headers,
            payload: self.bytes,
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }

    fn is_nothing() -> bool {
        false
    }
}

/// What a caller can send as a task's input.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to a task",
    label = "needs `Serialize`",
    note = "add `#[derive(serde::Serialize)]` to `{Self}`"
)]
pub trait CallInput {
    /// Payload and media type.
    #[doc(hidden)]
    fn encode(&self) -> serde_json::Result<Encoded<'_>>;
}

/// For the typed client: an input before it is put into a message.
#[doc(hidden)]
#[derive(Debug)]
pub enum Encoded<'i> {
    Json(Vec<u8>),
    Raw(&'i Raw),
}

#[diagnostic::do_not_recommend]
impl<T: Serialize> CallInput for T {
    fn encode(&self) -> serde_json::Result<Encoded<'_>> {
        serde_json::to_vec(self).map(Encoded::Json)
    }
}

impl CallInput for Raw {
    fn encode(&self) -> serde_json::Result<Encoded<'_>> {
        Ok(Encoded::Raw(self))
    }
}

/// What a caller can read a task's value as.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a task's reply",
    label = "needs `Deserialize`",
    note = "add `#[derive(serde::Deserialize)]` to `{Self}`"
)]
pub trait CallValue: Sized {
    #[doc(hidden)]
    fn decode(success: &Success) -> serde_json::Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> CallValue for T {
    fn decode(success: &Success) -> serde_json::Result<Self> {
        let payload: &[u8] = if success.payload.is_empty() {
            b"null"
        } else {
            &success.payload
        };
        serde_json::from_slice(payload)
    }
}

impl CallValue for Raw {
    fn decode(success: &Success) -> serde_json::Result<Self> {
        let media_type = success.headers.get(CONTENT_TYPE).unwrap_or(JSON);
        Ok(Self::new(success.payload.clone(), media_type))
    }
}

/// The value of a task's success.
pub type ValueOf<T> = <<T as Task>::Output as Outcome<<T as Task>::Kind>>::Value;
/// The fault of a task.
pub type FaultOf<T> = <<T as Task>::Output as Outcome<<T as Task>::Kind>>::Fault;

/// For generated code; may change in any release. Marks an output as a `Result` or a plain value.
#[derive(Debug)]
pub struct Fallible<const YES: bool>;

/// For generated code; may change in any release. Tells a `Result` from a value by its type, never by its name: the
/// inherent constant, which only a `Result` has, is found before the trait's. It must never get a bound.
#[derive(Debug)]
pub struct KindOf<T: ?Sized>(PhantomData<T>);

impl<T, E> KindOf<Result<T, E>> {
    /// For generated code; may change in any release.
    pub const FALLIBLE: bool = true;
}

/// For generated code; may change in any release. The answer for every type that is no `Result`.
pub trait OrElse {
    /// A plain value.
    const FALLIBLE: bool = false;
}

impl<T: ?Sized> OrElse for KindOf<T> {}

/// From envelope to reply: decode, run, encode. The one place where a task's types meet bytes.
pub(crate) fn answer<T: Served>(
    shape: Arc<Shape>,
    ctx: Context,
    envelope: Envelope,
) -> BoxFuture<'static, Reply> {
    Box::pin(async move {
        let input = match T::Input::decode(&shape, &envelope) {
            Ok(input) => input,
            Err(error) => return Reply::Fault(bad_input(&error)),
        };
        drop(envelope);
        match T::run(&ctx, input).await.split() {
            Ok(value) => value
                .encode(ctx.take_reply_headers())
                .map_or_else(Reply::Fault, Reply::Success),
            Err(error) => Reply::Fault(error.into_fault()),
        }
    })
}

/// A 400 that says where in the input the mistake is, as a JSON pointer (RFC 6901).
pub fn bad_input(error: &InputError) -> Fault {
    let data = serde_json::json!({ "pointer": error.pointer });
    Fault::new(400, crate::fault::BAD_INPUT, error.to_string()).with_data(data)
}
