//! A fault's fields as JSON, where its enum is `Serialize`, without the name of the variant around them.

use serde::ser::{
    Impossible, Serialize, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleVariant,
};
use serde_json::Value;
use serde_json::value::Serializer as ToValue;

type Error = serde_json::Error;
type Result<T> = std::result::Result<T, Error>;

/// For generated code; may change in any release. Asks a fault for its fields.
#[derive(Debug)]
pub struct DataOf<'f, E>(pub &'f E);

impl<E: Serialize> DataOf<'_, E> {
    /// The fields of the variant: found before [`NoData::data`] when the enum is `Serialize`.
    #[must_use]
    pub fn data(&self) -> Option<Value> {
        let fields = self.0.serialize(Untagged).ok()?;
        (!fields.is_null()).then_some(fields)
    }
}

/// For generated code; may change in any release. Answers for an enum that is not `Serialize`.
pub trait NoData {
    /// Nothing.
    fn data(&self) -> Option<Value> {
        None
    }
}

impl<E> NoData for DataOf<'_, E> {}

/// Writes a variant's fields and leaves its name out; a fault's code already says which variant it is.
struct Untagged;

/// The fields of a variant, written as a plain struct or tuple.
struct Fields<S>(S);

impl<S: SerializeStruct<Ok = Value, Error = Error>> SerializeStructVariant for Fields<S> {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<()> {
        self.0.serialize_field(key, value)
    }

    fn end(self) -> Result<Value> {
        self.0.end()
    }
}

impl<S: SerializeTuple<Ok = Value, Error = Error>> SerializeTupleVariant for Fields<S> {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.0.serialize_element(value)
    }

    fn end(self) -> Result<Value> {
        self.0.end()
    }
}

/// What is no variant is no fault's field either; only structs and maps, which serde's tagged forms use, pass.
fn unexpected<T>() -> Result<T> {
    Err(serde::ser::Error::custom(
        "a fault serialises as a variant or a struct",
    ))
}

impl serde::Serializer for Untagged {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Impossible<Value, Error>;
    type SerializeTuple = Impossible<Value, Error>;
    type SerializeTupleStruct = Impossible<Value, Error>;
    type SerializeTupleVariant = Fields<<ToValue as serde::Serializer>::SerializeTuple>;
    type SerializeMap = <ToValue as serde::Serializer>::SerializeMap;
    type SerializeStruct = <ToValue as serde::Serializer>::SerializeStruct;
    type SerializeStructVariant = Fields<<ToValue as serde::Serializer>::SerializeStruct>;

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<Value> {
        Ok(Value::Null)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<Value> {
        value.serialize(ToValue)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant> {
        ToValue.serialize_tuple(len).map(Fields)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant> {
        ToValue.serialize_struct(name, len).map(Fields)
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct> {
        ToValue.serialize_struct(name, len)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap> {
        ToValue.serialize_map(len)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value> {
        value.serialize(ToValue)
    }

    fn serialize_none(self) -> Result<Value> {
        Ok(Value::Null)
    }

    fn serialize_unit(self) -> Result<Value> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value> {
        Ok(Value::Null)
    }

    fn serialize_bool(self, _: bool) -> Result<Value> {
        unexpected()
    }

    fn serialize_i8(self, _: i8) -> Result<Value> {
        unexpected()
    }

    fn serialize_i16(self, _: i16) -> Result<Value> {
        unexpected()
    }

    fn serialize_i32(self, _: i32) -> Result<Value> {
        unexpected()
    }

    fn serialize_i64(self, _: i64) -> Result<Value> {
        unexpected()
    }

    fn serialize_u8(self, _: u8) -> Result<Value> {
        unexpected()
    }

    fn serialize_u16(self, _: u16) -> Result<Value> {
        unexpected()
    }

    fn serialize_u32(self, _: u32) -> Result<Value> {
        unexpected()
    }

    fn serialize_u64(self, _: u64) -> Result<Value> {
        unexpected()
    }

    fn serialize_f32(self, _: f32) -> Result<Value> {
        unexpected()
    }

    fn serialize_f64(self, _: f64) -> Result<Value> {
        unexpected()
    }

    fn serialize_char(self, _: char) -> Result<Value> {
        unexpected()
    }

    fn serialize_str(self, _: &str) -> Result<Value> {
        unexpected()
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Value> {
        unexpected()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq> {
        unexpected()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple> {
        unexpected()
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct> {
        unexpected()
    }
}
