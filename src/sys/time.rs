//! Local time: libc knows the time zone.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::mem::MaybeUninit;

/// Local time broken down.
#[derive(Clone, Copy)]
pub struct Local(libc::tm);

/// Reads the time zone; call it once at start, before threads run.
pub fn read_zone() {
    unsafe extern "C" {
        // The libc crate does not declare it for Linux.
        fn tzset();
    }
    // SAFETY: tzset takes nothing and locks its own state; only the environment must not change meanwhile,
    // and `sys::environment` changes it only while one thread runs.
    unsafe { tzset() }
}

impl Local {
    /// The local time of a moment in seconds since 1970. A moment beyond the calendar is 1970.
    pub fn at(unix_seconds: u64) -> Self {
        let seconds = libc::time_t::try_from(unix_seconds).unwrap_or(0);
        let mut time = MaybeUninit::<libc::tm>::zeroed();
        // SAFETY: both pointers are valid for the call, one for reading, one for writing.
        unsafe { libc::localtime_r(&raw const seconds, time.as_mut_ptr()) };
        // SAFETY: a zeroed `tm` is valid (integers and a null pointer), and localtime_r wrote one or nothing.
        Self(unsafe { time.assume_init() })
    }

    /// Year, month (1-12), day, hour, minute, second, day of the week (0 = Sunday).
    pub fn fields(&self) -> [i32; 7] {
        let time = &self.0;
        let (year, month) = (time.tm_year + 1900, time.tm_mon + 1);
        [year, month, time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec, time.tm_wday]
    }

    /// The time by a strftime(3) format; empty where that gives nothing or more than 1 KiB.
    pub fn format(&self, format: &str) -> String {
        let Ok(format) = CString::new(format) else { return String::new() };
        let mut buffer = [0u8; 1024];
        // SAFETY: the buffer's pointer and length belong together, the format ends with a zero, and the `tm`
        // came from localtime_r, whose zone name is static or interned by libc.
        let written = unsafe {
            libc::strftime(
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                format.as_ptr(),
                &raw const self.0,
            )
        };
        String::from_utf8_lossy(&buffer[..written]).into_owned()
    }
}

const DAYS: [&[u8; 3]; 7] = [b"Sun", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat"];
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// `Sat Nov 21 02:44:06 2026`, as ctime(3) without its line break; years are four digits.
pub fn ctime(unix_seconds: u64) -> [u8; 24] {
    let [year, month, day, hour, minute, second, weekday] = Local::at(unix_seconds).fields();
    let mut text = *b"Thu Jan  1 00:00:00 1970";
    text[..3].copy_from_slice(DAYS[weekday.clamp(0, 6) as usize]);
    text[4..7].copy_from_slice(MONTHS[(month - 1).clamp(0, 11) as usize]);
    let mut pair = |at: usize, number: i32| {
        let number = number.clamp(0, 99) as u8;
        text[at] = b'0' + number / 10;
        text[at + 1] = b'0' + number % 10;
    };
    pair(8, day);
    pair(11, hour);
    pair(14, minute);
    pair(17, second);
    pair(20, year / 100);
    pair(22, year % 100);
    if day < 10 {
        text[8] = b' ';
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctime_is_as_the_system_writes_it() {
        for moment in [0, 1, 951_782_399, 1_795_247_046, 4_102_444_800] {
            let system = Local::at(moment).format("%a %b %e %H:%M:%S %Y");
            assert_eq!(std::str::from_utf8(&ctime(moment)), Ok(system.as_str()));
        }
    }

    #[test]
    fn odd_formats_are_harmless() {
        assert_eq!(Local::at(0).format("a\0b"), "");
        assert_eq!(Local::at(0).format(&"%c".repeat(500)), "");
        assert_eq!(Local::at(0).format("100%%"), "100%");
    }
}
