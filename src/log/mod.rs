//! Log sinks and the request line.
//!
//! Everything goes to descriptor 2, which `logto` and `daemonize` turn to a file; one line is one write(2),
//! so that lines of several processes do not mix. The date in front of lines is set once at start. This room
//! reads no configuration: what it needs is given to it.

pub mod banner;
pub mod channel;
mod number;
pub mod request_line;
mod sink;
pub mod throttle;

use std::fmt;
use std::sync::OnceLock;

use crate::sys::clock;
use crate::sys::time::{self, Local};

pub use request_line::{RequestRecord, Rules, Via};
pub use sink::{LogError, raw, redirect, reopen};

/// What stands in front of a line; nothing before [`configure`].
static DATE: OnceLock<Date> = OnceLock::new();

/// Whose lines these are; nothing for an instance of its own.
static WHOSE: OnceLock<String> = OnceLock::new();

/// Who else hears each line of this process.
static LISTENER: OnceLock<Box<Listener>> = OnceLock::new();

/// Hears a line without its date. It must not write to the log.
type Listener = dyn Fn(&str) + Send + Sync;

#[derive(Debug, PartialEq, Eq)]
enum Date {
    None,
    /// As ctime(3).
    Ctime,
    /// By a strftime(3) format.
    Format(String),
}

/// Sets the date in front of lines for good: `None` for none, an empty format for uWSGI's own form. Reads the
/// time zone. Later calls change nothing.
pub fn configure(log_date: Option<&str>) {
    time::read_zone();
    DATE.get_or_init(|| match log_date {
        None => Date::None,
        Some("") => Date::Ctime,
        Some(format) => Date::Format(format.to_owned()),
    });
}

/// Every line of this process and its children begins with a name from now on, so that those of the sites of an instance
/// can be told from its own.
pub fn name(whose: String) {
    let _ = WHOSE.set(whose);
}

/// Each line of this process and its children is given to `listener` too from now on. The first one counts.
pub fn share(listener: Box<Listener>) {
    let _ = LISTENER.set(listener);
}

/// Writes one line, with the date in front where `log-date` asks for it. Errors are of no interest: there is
/// no other place to tell of them.
pub fn line(text: fmt::Arguments<'_>) {
    let date = DATE.get().unwrap_or(&Date::None);
    let now = clock::unix_seconds();
    let line = match WHOSE.get() {
        Some(whose) => rendered(date, now, format_args!("{whose}: {text}")),
        None => rendered(date, now, text),
    };
    raw(line.as_bytes());
    if let Some(listener) = LISTENER.get() {
        listener(&text.to_string());
    }
}

fn rendered(date: &Date, now: u64, text: fmt::Arguments<'_>) -> String {
    match date {
        Date::None => format!("{text}\n"),
        Date::Ctime => format!("{} - {text}\n", String::from_utf8_lossy(&time::ctime(now))),
        Date::Format(format) => format!("{} - {text}\n", Local::at(now).format(format)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_date_that_was_asked_for() {
        let now = 1_795_247_046;
        let ctime = String::from_utf8_lossy(&time::ctime(now)).into_owned();
        assert_eq!(rendered(&Date::None, now, format_args!("a {}", 1)), "a 1\n");
        assert_eq!(rendered(&Date::Ctime, now, format_args!("a")), format!("{ctime} - a\n"));
        let year = Date::Format("%Y".to_owned());
        assert_eq!(rendered(&year, now, format_args!("a")), "2026 - a\n");
    }
}
