//! Which application answers a path: longest mount point first.
