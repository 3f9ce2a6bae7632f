//! Registry of plugins, modifier map, host services.
