//! The master's decisions, pure: `step(now, event) -> actions`.
