//! Addresses, listeners, connections, reactor, turnstile, deadlines, buffers.
