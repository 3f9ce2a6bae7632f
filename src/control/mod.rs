//! Live commands.
