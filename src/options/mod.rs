//! The option table and what is rendered from it.
