//! Which of uWSGI's plugins are built in.

/// Plugins whose work is built in, besides the python family.
pub const BUILT_IN: &[&str] = if cfg!(feature = "mongrel2") {
    &["http", "corerouter", "mongrel2", "logzmq", "zeromq"]
} else {
    &["http", "corerouter"]
};

/// `python`, `python3`, `python311`, `0:python3`, ...
pub(super) fn is_built_in(name: &str) -> bool {
    let name = name.rsplit_once(':').map_or(name, |(_, name)| name);
    let version = name.strip_prefix("python");
    BUILT_IN.contains(&name)
        || version.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}
