//! All contact with libjansson.
//!
//! `jansson-sys` has the functions; the flags and the macro that tells a type are missing from it. A [`Document`]
//! owns one reference to its root and lets it go when it is dropped. Whatever is read from it borrows it, and
//! nothing here changes it, so that all values and iterators below the root stay where they are.
#![allow(unsafe_code)] // the one place of this crate

use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::slice;

use jansson_sys as jansson;
use jansson_sys::{json_error_t, json_t, json_type};

use super::JsonError;

/// `JSON_DECODE_ANY` of jansson.h: the root may be anything, so that the error can say what is wrong with it.
const DECODE_ANY: usize = 0x4;

/// A parsed text.
pub(super) struct Document(NonNull<json_t>);

impl Document {
    /// Parses a text. Of names that are there twice, the last value stays at the place of the first.
    ///
    /// # Errors
    /// [`JsonError::Malformed`].
    pub(super) fn parse(text: &[u8]) -> Result<Self, JsonError> {
        let mut error = MaybeUninit::<json_error_t>::zeroed();
        // SAFETY: the text is readable for its length, and the error is memory of its type; jansson keeps neither.
        let root = unsafe {
            jansson::json_loadb(text.as_ptr().cast(), text.len(), DECODE_ANY, error.as_mut_ptr())
        };
        let Some(root) = NonNull::new(root) else {
            // SAFETY: numbers and arrays of them, all zero before jansson wrote there.
            let error = unsafe { error.assume_init() };
            return Err(JsonError::Malformed(reason(&error)));
        };
        Ok(Self(root))
    }

    /// The outermost value.
    pub(super) fn root(&self) -> Value<'_> {
        // SAFETY: the root is alive as long as `self` is.
        unsafe { Value::of(self.0) }
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        // SAFETY: `json_loadb` gave this reference to us, and nobody else has one.
        unsafe { jansson::json_decref(self.0.as_ptr()) }
    }
}

/// The message without the place that it quotes: that is the client's.
fn reason(error: &json_error_t) -> String {
    let text: Vec<u8> =
        error.text.iter().map(|byte| byte.to_ne_bytes()[0]).take_while(|byte| *byte != 0).collect();
    let text = String::from_utf8_lossy(&text);
    text.split(" near ").next().unwrap_or_default().to_owned()
}

/// A value of a document.
pub(super) enum Value<'a> {
    Object(Object<'a>),
    Array(Array<'a>),
    /// UTF-8.
    String(&'a [u8]),
    Integer(i64),
    Real(f64),
    Bool(bool),
    Null,
}

impl Value<'_> {
    /// # Safety
    /// The value is part of a document that lives, and is not changed, for `'a`.
    unsafe fn of<'a>(value: NonNull<json_t>) -> Value<'a> {
        let json = value.as_ptr();
        // SAFETY: it is alive, as the caller says, and its type is one of the eight of jansson.h. Each function
        // is called on the type that it is for; a string's bytes are there as long as the string.
        unsafe {
            match (*json).type_ {
                json_type::JSON_OBJECT => Value::Object(Object {
                    object: value,
                    at: jansson::json_object_iter(json),
                    document: PhantomData,
                }),
                json_type::JSON_ARRAY => {
                    Value::Array(Array { array: value, at: 0, document: PhantomData })
                }
                json_type::JSON_STRING => {
                    let (bytes, len) =
                        (jansson::json_string_value(json), jansson::json_string_length(json));
                    Value::String(slice::from_raw_parts(bytes.cast(), len))
                }
                json_type::JSON_INTEGER => Value::Integer(jansson::json_integer_value(json)),
                json_type::JSON_REAL => Value::Real(jansson::json_real_value(json)),
                json_type::JSON_TRUE => Value::Bool(true),
                json_type::JSON_FALSE => Value::Bool(false),
                json_type::JSON_NULL => Value::Null,
            }
        }
    }
}

/// An object: an iterator of names (UTF-8) and values in their order.
pub(super) struct Object<'a> {
    object: NonNull<json_t>,
    /// The next pair, null at the end.
    at: *mut c_void,
    document: PhantomData<&'a Document>,
}

impl<'a> Iterator for Object<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at.is_null() {
            return None;
        }
        // SAFETY: the object is alive and unchanged, so its iterator that is not null is at a pair. Names have no
        // NUL inside, jansson refuses those, and values are never null.
        unsafe {
            let name = CStr::from_ptr(jansson::json_object_iter_key(self.at)).to_bytes();
            let value = NonNull::new(jansson::json_object_iter_value(self.at))?;
            self.at = jansson::json_object_iter_next(self.object.as_ptr(), self.at);
            Some((name, Value::of(value)))
        }
    }
}

/// An array: an iterator of its values.
pub(super) struct Array<'a> {
    array: NonNull<json_t>,
    at: usize,
    document: PhantomData<&'a Document>,
}

impl<'a> Iterator for Array<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: the array is alive and unchanged; behind its end there is null.
        unsafe {
            let value = NonNull::new(jansson::json_array_get(self.array.as_ptr(), self.at))?;
            self.at += 1;
            Some(Value::of(value))
        }
    }
}
