//! Options that a stranger may set.
//!
//! Answers of an old cluster are not signed, so what they can do is what everybody on the network can do. An instance takes from them where to
//! listen, how many processes to have and which application to load from its own disk, and nothing that runs a command, writes or shows a file,
//! reads another configuration or changes who the instance is. Everything that is not named here is refused.

/// What a value of an option may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    /// A host and a port: a socket in the file system would take a file's place.
    Socket,
    /// Text without placeholders.
    Text,
    /// A path or a module: as a text, and nothing with a scheme, which would be read from elsewhere.
    Place,
}

#[rustfmt::skip] // a table
const OPTIONS: &[(&str, Value)] = &[
    ("socket", Value::Socket), ("uwsgi-socket", Value::Socket), ("http-socket", Value::Socket), ("http", Value::Socket),
    ("fastcgi-socket", Value::Socket), ("scgi-socket", Value::Socket),
    ("master", Value::Text), ("processes", Value::Text), ("workers", Value::Text), ("threads", Value::Text),
    ("enable-threads", Value::Text), ("thread-stack-size", Value::Text), ("threads-stacksize", Value::Text),
    ("single-interpreter", Value::Text), ("lazy", Value::Text), ("lazy-apps", Value::Text), ("need-app", Value::Text),
    ("module", Value::Place), ("wsgi", Value::Place), ("wsgi-file", Value::Place), ("file", Value::Place), ("callable", Value::Place),
    ("pythonpath", Value::Place), ("python-path", Value::Place), ("pp", Value::Place), ("chdir", Value::Place),
    ("virtualenv", Value::Place), ("home", Value::Place), ("venv", Value::Place), ("pyhome", Value::Place),
    ("optimize", Value::Text), ("no-default-app", Value::Text), ("manage-script-name", Value::Text), ("catch-exceptions", Value::Text),
    ("listen", Value::Text), ("buffer-size", Value::Text), ("max-vars", Value::Text), ("protocol", Value::Text), ("socket-protocol", Value::Text),
    ("socket-timeout", Value::Text), ("http-timeout", Value::Text), ("http-keepalive", Value::Text), ("reuse-port", Value::Text),
    ("so-keepalive", Value::Text), ("tcp-nodelay", Value::Text), ("limit-post", Value::Text), ("post-buffering", Value::Text),
    ("post-buffering-bufsize", Value::Text), ("harakiri", Value::Text), ("harakiri-verbose", Value::Text),
    ("max-requests", Value::Text), ("max-worker-lifetime", Value::Text), ("min-worker-lifetime", Value::Text),
    ("reload-mercy", Value::Text), ("worker-reload-mercy", Value::Text), ("reload-on-rss", Value::Text), ("reload-on-as", Value::Text),
    ("evil-reload-on-rss", Value::Text), ("evil-reload-on-as", Value::Text),
    ("cheaper", Value::Text), ("cheaper-initial", Value::Text), ("cheaper-step", Value::Text), ("cheaper-algo", Value::Text),
    ("thunder-lock", Value::Text), ("no-orphans", Value::Text), ("die-on-term", Value::Text), ("vacuum", Value::Text),
    ("auto-procname", Value::Text), ("procname-prefix", Value::Text), ("procname-prefix-spaced", Value::Text),
    ("disable-logging", Value::Text), ("memory-report", Value::Text), ("log-4xx", Value::Text), ("log-5xx", Value::Text),
    ("log-slow", Value::Text), ("log-big", Value::Text), ("log-zero", Value::Text), ("log-date", Value::Text), ("log-micros", Value::Text),
    ("ignore-sigpipe", Value::Text), ("ignore-write-errors", Value::Text), ("disable-write-exception", Value::Text),
];

/// Whether a stranger may set this option to this value.
pub fn is_allowed(name: &str, value: &str) -> bool {
    let option = OPTIONS.iter().find(|(option, _)| *option == name);
    option.is_some_and(|(_, kind)| kind.takes(value))
}

impl Value {
    fn takes(self, value: &str) -> bool {
        // Such a placeholder reads a file, runs a command or shows a variable of the environment.
        let plain = !value.contains("@(") && !value.contains("$(");
        let plain = plain && !value.chars().any(char::is_control);
        plain
            && match self {
                Self::Text => true,
                Self::Place => !value.contains("://"),
                Self::Socket => is_socket(value),
            }
    }
}

fn is_socket(value: &str) -> bool {
    let Some((host, port)) = value.rsplit_once(':') else { return false };
    let host_like = |byte: u8| byte.is_ascii_alphanumeric() || b".-*:[]".contains(&byte);
    port.parse::<u16>().is_ok() && host.bytes().all(host_like)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_reads_or_writes_is_not_for_strangers() {
        for name in [
            "exec-asap",
            "exec-as-root",
            "exec-as-user",
            "hook-as-root",
            "hook-asap",
            "plugin",
            "plugins",
            "need-plugins",
            "plugin-dir",
            "uid",
            "gid",
            "attach-daemon",
            "smart-attach-daemon",
            "cron",
            "unique-cron",
            "spooler",
            "mule",
            "env",
            "ini",
            "xml",
            "yaml",
            "yml",
            "json",
            "toml",
            "include",
            "inherit",
            "config",
            "set",
            "import",
            "eval",
            "logto",
            "daemonize",
            "pidfile",
            "touch-reload",
            "static-map",
            "check-static",
            "chroot",
            "cap",
            "stats",
            "emperor",
            "mount",
            "master-fifo",
            "log-format",
            "logger",
            "vhost",
            "cluster",
            "",
            "binary-path",
            "unsetenv",
            "pyargv",
            "rpc",
            "module ",
        ] {
            assert!(!is_allowed(name, "1"), "{name}");
        }
    }

    #[test]
    fn what_serves_may_be_said() {
        for (name, value) in [
            ("socket", "192.0.2.*:3031"),
            ("socket", ":3031"),
            ("http-socket", "[::1]:8080"),
            ("master", "true"),
            ("processes", "3"),
            ("wsgi-file", "app27.py"),
            ("module", "app:application"),
            ("chdir", "/srv/app"),
        ] {
            assert!(is_allowed(name, value), "{name} = {value}");
        }
        for (name, value) in [
            ("socket", "/etc/passwd"),
            ("socket", "unix:/tmp/x"),
            ("socket", ""),
            ("socket", "3031"),
            ("socket", ":x"),
            ("wsgi-file", "http://example.org/app.py"),
            ("module", "exec://id"),
            ("chdir", "@(exec://id)"),
            ("processes", "$(HOME)"),
            ("procname-prefix", "a\nb"),
            ("pythonpath", "a\0b"),
        ] {
            assert!(!is_allowed(name, value), "{name} = {value}");
        }
    }
}
