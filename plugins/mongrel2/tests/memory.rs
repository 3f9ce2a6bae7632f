//! Nothing that jansson allocated stays, whatever the text was. It counts all of the process: one test in its own.
#![cfg(feature = "json")]
#![allow(clippy::unwrap_used)] // panicking is how a test fails

mod support;

use std::alloc::{Layout, alloc, dealloc};
use std::ffi::c_void;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

use support::{latin1, requests};
use uwsgi_plugin_mongrel2::json;
use uwsgi_protocol::mongrel2::{Headers, Message};

/// Bytes that are allocated now, and all allocations so far.
static HELD: AtomicIsize = AtomicIsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// In front of each allocation: its size.
const FRONT: usize = 16;

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size + FRONT, FRONT).unwrap()
}

unsafe extern "C" fn take(size: usize) -> *mut c_void {
    CALLS.fetch_add(1, Ordering::Relaxed);
    HELD.fetch_add(isize::try_from(size).unwrap(), Ordering::Relaxed);
    // SAFETY: the size is not 0, and there is room for it in front.
    unsafe {
        let block = alloc(layout(size));
        block.cast::<usize>().write(size);
        block.add(FRONT).cast()
    }
}

unsafe extern "C" fn give_back(place: *mut c_void) {
    if place.is_null() {
        return;
    }
    // SAFETY: it comes from `take`, with its size in front.
    unsafe {
        let block = place.cast::<u8>().sub(FRONT);
        let size = block.cast::<usize>().read();
        HELD.fetch_sub(isize::try_from(size).unwrap(), Ordering::Relaxed);
        dealloc(block, layout(size));
    }
}

#[test]
fn no_memory_stays() {
    // SAFETY: nothing was allocated before.
    unsafe { jansson_sys::json_set_alloc_funcs(take, give_back) };
    let handmade = [
        &b"{\"a\":null}"[..],
        b"{\"a\":[\"b\",1]}",
        b"{\"a\":\"\\u20ac\"}",
        b"{\"a\":\"b\",\"a\":\"c\"}",
    ];
    let mut texts: Vec<_> = handmade.map(|text| ("handmade".to_owned(), text.to_vec())).into();
    for vector in requests() {
        if let Ok(Message { headers: Headers::Json(text), .. }) = vector.message() {
            let ends = (0..=text.len().min(600)).chain([text.len()]);
            texts.extend(ends.map(|end| (vector.json["id"].to_string(), text[..end].to_vec())));
        }
    }
    let mut read = 0;
    for (name, text) in &texts {
        read += usize::from(json::headers(text, &mut |_, _| {}).is_ok());
        let _ = json::notice_type(text);
        assert_eq!(HELD.load(Ordering::Relaxed), 0, "after {} of {name}", latin1(text));
    }
    assert!(read > 90 && CALLS.load(Ordering::Relaxed) > texts.len(), "{read} of {}", texts.len());
}
