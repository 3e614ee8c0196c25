//! Settings: values of an application's own that change while it runs, and the snapshot of them that one call sees.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::input::{self, InputError, Shape};
use crate::schema;

/// A value that an operator may change while the application runs.
///
/// `#[derive(metropolis::Setting)]` writes the implementation. A worker [follows](crate::Worker::follow) it, and tasks take it
/// by reference, as any value the worker provides.
///
/// ```
/// #[derive(Default, serde::Deserialize, schemars::JsonSchema, metropolis::Setting)]
/// #[setting(key = "limits")]
/// #[serde(default, deny_unknown_fields)]
/// struct Limits {
///     #[schemars(range(min = 1))]
///     items_per_order: u32,
/// }
///
/// /// Says how many items an order may have.
/// #[metropolis::task(subject = "orders.max.get")]
/// async fn max(limits: &Limits) -> u32 {
///     limits.items_per_order
/// }
/// # async fn example(bus: metropolis::Bus) -> Result<(), metropolis::worker::StartError> {
/// metropolis::Worker::new(bus).follow(Limits::default()).run().await
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no setting",
    label = "has no key",
    note = "add `#[derive(metropolis::Setting)]` and `#[setting(key = \"…\")]` to `{Self}`"
)]
pub trait Setting: SettingValue {
    /// The last token of its key in the bucket: `setting.<service>.<KEY>`.
    const KEY: &'static str;
}

/// What a setting can be: any `Deserialize + JsonSchema` that calls may share.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a setting",
    label = "needs `Deserialize` and `JsonSchema`",
    note = "add `#[derive(serde::Deserialize, schemars::JsonSchema)]` to `{Self}`"
)]
pub trait SettingValue: Sized + Send + Sync + 'static {
    #[doc(hidden)]
    fn decode(shape: &Shape, document: &[u8]) -> Result<Self, InputError>;
    #[doc(hidden)]
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + JsonSchema + Send + Sync + 'static> SettingValue for T {
    fn decode(shape: &Shape, document: &[u8]) -> Result<Self, InputError> {
        input::decode(shape, &[], document)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// A value of a setting, its type erased.
type Value = Arc<dyn Any + Send + Sync>;

/// One setting that a worker follows.
pub(crate) struct Followed {
    pub(crate) key: &'static str,
    pub(crate) id: TypeId,
    pub(crate) name: &'static str,
    shape: Shape,
    decode: fn(&Shape, &[u8]) -> Result<Value, InputError>,
    /// What holds where nobody has set another.
    own: Value,
}

impl Followed {
    /// A setting with the value that the application gives it.
    pub(crate) fn new<T: Setting>(own: T) -> Self {
        let mut generator = schema::input_generator();
        let schema = T::schema(&mut generator);
        Self {
            key: T::KEY,
            id: TypeId::of::<T>(),
            name: type_name::<T>(),
            shape: Shape::of(&schema::document(schema, &mut generator)),
            decode: |shape, document| Ok(Arc::new(T::decode(shape, document)?)),
            own: Arc::new(own),
        }
    }

    /// What is wrong with its schema, if anything.
    pub(crate) fn defect(&self) -> Option<&str> {
        self.shape.defect()
    }
}

impl fmt::Debug for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed")
            .field("key", &self.key)
            .field("type", &self.name)
            .finish_non_exhaustive()
    }
}

/// The values of all settings at one moment, by their types. Who holds it is touched by no change.
#[derive(Clone, Default)]
pub(crate) struct Snapshot(HashMap<TypeId, Value>);

impl Snapshot {
    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Snapshot").field(&self.0.len()).finish()
    }
}

/// Where the settings of a worker are, and where they are changed.
///
/// A lock, and no cell that is read without one: it is held for as long as counting one more reader takes.
#[derive(Debug)]
pub(crate) struct Shelf {
    followed: Vec<Followed>,
    now: RwLock<Arc<Snapshot>>,
}

impl Shelf {
    /// Begins with the values the application has given.
    pub(crate) fn new(followed: Vec<Followed>) -> Self {
        let values = followed
            .iter()
            .map(|setting| (setting.id, Arc::clone(&setting.own)));
        Self {
            now: RwLock::new(Arc::new(Snapshot(values.collect()))),
            followed,
        }
    }

    pub(crate) fn followed(&self) -> &[Followed] {
        &self.followed
    }

    /// The values of now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        // Snapshots are swapped whole, so a poisoned lock holds a good one.
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The value of now, for whoever is no call.
    pub(crate) fn get<T: Setting>(&self) -> Option<Arc<T>> {
        let snapshot = self.snapshot();
        let value = Arc::clone(snapshot.0.get(&TypeId::of::<T>())?);
        value.downcast().ok()
    }

    /// Gives a setting another value, or its own again where there is no document.
    ///
    /// # Errors
    /// When the document does not fit the type; the value stays.
    pub(crate) fn put(&self, at: usize, document: Option<&[u8]>) -> Result<(), InputError> {
        let setting = &self.followed[at];
        let value = match document {
            Some(document) => (setting.decode)(&setting.shape, document)?,
            None => Arc::clone(&setting.own),
        };
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = Snapshot::clone(&now);
        let old = next.0.insert(setting.id, value);
        let before = std::mem::replace(&mut *now, Arc::new(next));
        drop(now);
        // Outside the lock: to drop a value may be the application's code.
        drop((old, before));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Limits {
        #[schemars(range(min = 1))]
        items: u32,
    }

    impl Setting for Limits {
        const KEY: &'static str = "limits";
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Greeting(String);

    impl Setting for Greeting {
        const KEY: &'static str = "greeting";
    }

    fn shelf() -> Shelf {
        let greeting = Greeting("hello".to_owned());
        Shelf::new(vec![
            Followed::new(Limits { items: 5 }),
            Followed::new(greeting),
        ])
    }

    #[test]
    fn a_snapshot_stays_as_it_was_and_the_next_has_the_change_alone() {
        let shelf = shelf();
        let before = shelf.snapshot();
        shelf
            .put(0, Some(br#"{"items": 7}"#))
            .expect("a good value");
        assert_eq!(before.get::<Limits>(), Some(&Limits { items: 5 }));
        let after = shelf.snapshot();
        assert_eq!(after.get::<Limits>(), Some(&Limits { items: 7 }));
        assert_eq!(after.get::<Greeting>(), Some(&Greeting("hello".to_owned())));
        assert_eq!(after.get::<u8>(), None);
        shelf.put(0, None).expect("its own value is good");
        assert_eq!(shelf.get::<Limits>().as_deref(), Some(&Limits { items: 5 }));
    }

    #[test]
    fn a_document_that_does_not_fit_the_type_or_its_schema_changes_nothing() {
        let shelf = shelf();
        for (document, expected) in [
            (r#"{"items": 0}"#, "/items: `0` is less than 1"),
            (r#"{"items": "7"}"#, "/items: "),
            (r#"{"itmes": 7}"#, ""),
            ("{", ""),
            ("", ""),
        ] {
            let error = shelf.put(0, Some(document.as_bytes())).expect_err(document);
            assert!(
                error.to_string().starts_with(expected),
                "{document}: {error}"
            );
            assert_eq!(shelf.get::<Limits>().as_deref(), Some(&Limits { items: 5 }));
        }
    }
}
