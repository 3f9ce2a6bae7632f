//! Calls of ZeroMQ and of the system that no crate here has.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::mem;

/// The send of a full XPUB socket fails with `EAGAIN` instead of dropping the message (zmq_setsockopt(3),
/// `ZMQ_XPUB_NODROP`).
///
/// # Errors
/// The socket is none of that type.
pub(crate) fn never_drop(socket: &mut zmq::Socket) -> zmq::Result<()> {
    let on: c_int = 1;
    let option = zmq_sys::ZMQ_XPUB_NODROP as c_int;
    // SAFETY: the socket is open while it is borrowed, and the value is an int of the size that is given.
    let done = unsafe {
        let value = (&raw const on).cast();
        zmq_sys::zmq_setsockopt(socket.as_mut_ptr(), option, value, mem::size_of::<c_int>())
    };
    if done == 0 { Ok(()) } else { Err(zmq::Error::EINVAL) }
}

/// The public key of a secret one; `None` where the library cannot tell (zmq_curve_public(3)).
pub(crate) fn curve_public(secret: &[u8; 32]) -> Option<[u8; 32]> {
    const TEXT_BYTES: usize = 41;
    let secret = zmq::z85_encode(secret).ok()? + "\0";
    let mut public = [0_u8; TEXT_BYTES];
    // zmq-sys has it, but does not give it away.
    unsafe extern "C" {
        fn zmq_curve_public(public: *mut c_char, secret: *const c_char) -> c_int;
    }
    // SAFETY: both are texts of 40 characters and a zero byte, and the first has room for that.
    let done = unsafe { zmq_curve_public(public.as_mut_ptr().cast(), secret.as_ptr().cast()) };
    let text = std::str::from_utf8(&public[..TEXT_BYTES - 1]).ok().filter(|_| done == 0)?;
    zmq::z85_decode(text).ok()?.try_into().ok()
}

/// Threads of this process do not interrupt others when they wake (sched(7), `SCHED_BATCH`): while a worker makes the next
/// answer, ZeroMQ's thread does not push in with each single one, but sends several at once. Threads that are started later do
/// the same. Where it is not allowed, everything works as well, and costs more.
pub(crate) fn wake_politely() {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameters are valid for reads, and 0 is the calling thread.
    let _ = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) };
}
