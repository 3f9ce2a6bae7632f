//! The line of a request, byte for byte as uWSGI writes it (behaviour note 6.3), and which requests get one.
//!
//! Written for every request, so it formats nothing: numbers are pushed digit by digit, and the date is kept
//! for as long as its second lasts.

use std::cell::Cell;
use std::time::Duration;

use super::number::push;
use crate::sys::time;

/// What else sent the body than the application; stands before the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// Nothing else.
    #[default]
    None,
    /// sendfile(2), for a file_wrapper.
    Sendfile,
}

/// A finished request.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestRecord<'a> {
    /// The host that was asked for, with `vhost`.
    pub host: Option<&'a [u8]>,
    /// Address space and resident memory in bytes, for `memory-report`.
    pub memory: Option<(u64, u64)>,
    /// Process id of the worker.
    pub pid: u32,
    /// Number of the application; `None` is shown as -1, and so are its requests.
    pub app: Option<u16>,
    /// Requests of the application in this worker, this one included.
    pub app_requests: u64,
    /// Requests of the whole server, this one included.
    pub requests: u64,
    /// The client's address; empty for unix sockets.
    pub address: &'a [u8],
    /// REMOTE_USER.
    pub user: &'a [u8],
    /// Names and values of the request: two for each variable.
    pub vars: u64,
    /// Size of the request's head as a uwsgi packet's block, in bytes.
    pub vars_bytes: u64,
    /// When it began, seconds since 1970.
    pub began: u64,
    /// REQUEST_METHOD.
    pub method: &'a [u8],
    /// REQUEST_URI.
    pub uri: &'a [u8],
    /// Bytes of the response's body.
    pub body_bytes: u64,
    /// How long it took.
    pub duration_us: u64,
    /// `log-micros`.
    pub micros: bool,
    /// Who else sent the body.
    pub via: Via,
    /// SERVER_PROTOCOL.
    pub protocol: &'a [u8],
    /// Status of the response.
    pub status: u16,
    /// Headers of the response.
    pub headers: u64,
    /// Size of the response's head with its status line, in bytes.
    pub head_bytes: u64,
    /// How often the application was entered.
    pub switches: u32,
    /// The core's number.
    pub core: u16,
}

/// Which requests get a line.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// All; `disable-logging` turns it off.
    pub all: bool,
    /// Those with a status of 400 to 499.
    pub with_4xx: bool,
    /// Those with a status of 500 to 599.
    pub with_5xx: bool,
    /// Those that took at least this long.
    pub slow: Option<Duration>,
}

impl Rules {
    /// Whether a request with this status that took this long gets a line.
    pub fn select(&self, status: u16, duration_us: u64) -> bool {
        self.all
            || (self.with_4xx && (400..500).contains(&status))
            || (self.with_5xx && (500..600).contains(&status))
            || self.slow.is_some_and(|slow| u128::from(duration_us) >= slow.as_micros())
    }
}

/// Appends the line of a request, with its line break. Control characters of what the client sent are
/// written as `\xNN`, so that nobody writes lines of his own.
pub fn write(out: &mut Vec<u8>, record: &RequestRecord<'_>) {
    if let Some(host) = record.host {
        text(out, b"", host);
        out.push(b' ');
    }
    if let Some((address_space, resident)) = record.memory {
        memory(out, b"{address space usage: ", address_space);
        memory(out, b"{rss usage: ", resident);
    }
    number(out, b"[pid: ", record.pid.into());
    match record.app {
        Some(app) => {
            number(out, b"|app: ", app.into());
            number(out, b"|req: ", record.app_requests);
        }
        None => out.extend_from_slice(b"|app: -1|req: -1"),
    }
    number(out, b"/", record.requests);
    text(out, b"] ", record.address);
    text(out, b" (", record.user);
    number(out, b") {", record.vars);
    number(out, b" vars in ", record.vars_bytes);
    out.extend_from_slice(b" bytes} [");
    out.extend_from_slice(&date(record.began));
    text(out, b"] ", record.method);
    text(out, b" ", record.uri);
    number(out, b" => generated ", record.body_bytes);
    match record.micros {
        true => {
            number(out, b" bytes in ", record.duration_us);
            out.extend_from_slice(b" micros");
        }
        false => {
            number(out, b" bytes in ", record.duration_us / 1000);
            out.extend_from_slice(b" msecs");
        }
    }
    if record.via == Via::Sendfile {
        out.extend_from_slice(b" via sendfile()");
    }
    text(out, b" (", record.protocol);
    number(out, b" ", record.status.into());
    number(out, b") ", record.headers);
    number(out, b" headers in ", record.head_bytes);
    number(out, b" bytes (", record.switches.into());
    number(out, b" switches on core ", record.core.into());
    out.extend_from_slice(b")\n");
}

fn memory(out: &mut Vec<u8>, name: &[u8], bytes: u64) {
    number(out, name, bytes);
    number(out, b" bytes/", bytes >> 20);
    out.extend_from_slice(b"MB} ");
}

fn number(out: &mut Vec<u8>, before: &[u8], number: u64) {
    out.extend_from_slice(before);
    push(out, number);
}

fn text(out: &mut Vec<u8>, before: &[u8], text: &[u8]) {
    out.extend_from_slice(before);
    if text.iter().any(u8::is_ascii_control) {
        escape(out, text);
    } else {
        out.extend_from_slice(text);
    }
}

#[cold]
fn escape(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in text {
        match byte.is_ascii_control() {
            true => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'x', high, low]);
            }
            false => out.push(byte),
        }
    }
}

/// The date of a second; local time is asked for once a second and thread.
fn date(seconds: u64) -> [u8; 24] {
    thread_local! {
        static LAST: Cell<(u64, [u8; 24])> = const { Cell::new((u64::MAX, [0; 24])) };
    }
    let (of, text) = LAST.get();
    if of == seconds {
        return text;
    }
    let text = time::ctime(seconds);
    LAST.set((seconds, text));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(record: &RequestRecord<'_>) -> String {
        let mut out = Vec::new();
        write(&mut out, record);
        String::from_utf8(out).expect("test lines are text")
    }

    fn record() -> RequestRecord<'static> {
        RequestRecord {
            pid: 24277,
            app: Some(0),
            app_requests: 1,
            requests: 3,
            address: b"127.0.0.1",
            vars: 26,
            vars_bytes: 278,
            began: 1_795_247_046,
            method: b"GET",
            uri: b"/dump?x=1",
            body_bytes: 656,
            duration_us: 3822,
            protocol: b"HTTP/1.1",
            status: 200,
            headers: 2,
            head_bytes: 66,
            switches: 1,
            ..RequestRecord::default()
        }
    }

    fn now() -> String {
        String::from_utf8_lossy(&time::ctime(1_795_247_046)).into_owned()
    }

    /// The recorded line of uWSGI 2.0.31 (`startup-and-requests-2.0.31.log`).
    #[test]
    fn the_line_is_uwsgis() {
        let expected = format!(
            "[pid: 24277|app: 0|req: 1/3] 127.0.0.1 () {{26 vars in 278 bytes}} [{}] GET /dump?x=1 => generated 656 \
             bytes in 3 msecs (HTTP/1.1 200) 2 headers in 66 bytes (1 switches on core 0)\n",
            now()
        );
        assert_eq!(written(&record()), expected);
    }

    /// Seen with uWSGI 2.0.31.
    #[test]
    fn the_host_of_vhost_stands_before_all() {
        let memory = Some((136_986_624, 12_132_352));
        for (host, expected) in [
            ("A.example:99", "A.example:99 {address space"),
            ("", " {address space"),
            ("a\nb", "a\\x0ab {"),
        ] {
            let line = written(&RequestRecord { memory, host: Some(host.as_bytes()), ..record() });
            assert!(line.starts_with(expected), "{line}");
        }
    }

    #[test]
    fn memory_stands_in_front_and_sendfile_before_the_protocol() {
        let memory = Some((136_986_624, 12_132_352));
        let line = written(&RequestRecord {
            memory,
            micros: true,
            via: Via::Sendfile,
            user: b"joe",
            ..record()
        });
        assert!(line.starts_with(
            "{address space usage: 136986624 bytes/130MB} {rss usage: 12132352 bytes/11MB} [pid: 24277|app: 0|req: \
             1/3] 127.0.0.1 (joe) {26 vars"
        ));
        assert!(line.contains(" bytes in 3822 micros via sendfile() (HTTP/1.1 200) 2 headers"));
    }

    #[test]
    fn without_an_application_its_numbers_are_minus_one() {
        assert!(
            written(&RequestRecord { app: None, ..record() })
                .starts_with("[pid: 24277|app: -1|req: -1/3] ")
        );
    }

    #[test]
    fn a_client_cannot_write_lines() {
        let line =
            written(&RequestRecord { uri: b"/a\n[pid: 1|\x1b\x7f", user: b"j\r", ..record() });
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.contains(" GET /a\\x0a[pid: 1|\\x1b\\x7f => ") && line.contains("(j\\x0d)"));
    }

    #[test]
    fn the_date_follows_the_clock() {
        let first = date(1_795_247_046);
        assert_eq!(date(1_795_247_046), first);
        assert_ne!(date(1_795_247_047), first);
        assert_eq!(date(1_795_247_046), first);
    }

    #[test]
    fn rules_select_requests() {
        let none = Rules { all: false, with_4xx: false, with_5xx: false, slow: None };
        let slow = Some(Duration::from_millis(20));
        for (rules, status, duration_us, selected) in [
            (Rules { all: true, ..none }, 200, 0, true),
            (none, 500, u64::MAX, false),
            (Rules { with_4xx: true, ..none }, 404, 0, true),
            (Rules { with_4xx: true, ..none }, 500, 0, false),
            (Rules { with_5xx: true, ..none }, 503, 0, true),
            (Rules { with_5xx: true, ..none }, 499, 0, false),
            (Rules { slow, ..none }, 200, 19_999, false),
            (Rules { slow, ..none }, 200, 20_000, true),
        ] {
            assert_eq!(
                rules.select(status, duration_us),
                selected,
                "{rules:?} {status} {duration_us}"
            );
        }
    }
}
