//! Answers in FastCGI's records.

use std::io::IoSlice;

use uwsgi_plugin_api::WriteError;
use uwsgi_protocol::fastcgi::{self, CONTENT_BYTES_MAX, Stream};

use super::answer::Answer;

const CONTENT: usize = CONTENT_BYTES_MAX as usize;
/// Bytes that go into records by a copy; of more, the records are made around them.
const RECORD_COPY_BYTES_MAX: usize = 16 * 1024;
/// Records that are sent at once.
const RECORDS_MAX: usize = 64;

impl Answer<'_> {
    /// The last bytes of an answer in records, where they did not go with its body.
    pub(super) fn end_records(&mut self) -> Result<(), WriteError> {
        let Some(id) = self.terms.dress.records else { return Ok(()) };
        self.ended = true;
        let mut last = Vec::new();
        ending(id, self.exit_status, self.remark, &mut last);
        self.transmit(&[IoSlice::new(&last)])
    }

    /// The last record goes with the last bytes of the body: a kept connection costs one system call an answer.
    pub(super) fn send_records(
        &mut self,
        id: u16,
        parts: &[IoSlice<'_>],
    ) -> Result<(), WriteError> {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let (exit_status, remark, ends) =
            (self.exit_status, self.remark, self.encoder.is_complete());
        self.ended |= ends;
        if total <= RECORD_COPY_BYTES_MAX {
            let mut out = Vec::with_capacity(total + 32);
            record(Stream::Stdout, id, parts, &mut out);
            if ends {
                ending(id, exit_status, remark, &mut out);
            }
            return self.transmit(&[IoSlice::new(&out)]);
        }
        let bytes = parts.iter().flat_map(|part| part.chunks(CONTENT));
        let records: Vec<_> = bytes
            .map(|bytes| (fastcgi::stream_header(Stream::Stdout, id, bytes.len() as u16), bytes))
            .collect();
        for some in records.chunks(RECORDS_MAX) {
            let slices = some.iter().flat_map(|(header, bytes)| [&header[..], bytes]);
            self.transmit(&slices.map(IoSlice::new).collect::<Vec<_>>())?;
        }
        if ends { self.end_records() } else { Ok(()) }
    }
}

/// Appends the last records of an answer. `remark` is for the log of the front end; it is not the first of the answer, because
/// HAProxy 2.6 ends when it reads one without the other.
pub(super) fn ending(id: u16, exit_status: u32, remark: &str, out: &mut Vec<u8>) {
    record(Stream::Stderr, id, &[IoSlice::new(remark.as_bytes())], out);
    out.extend_from_slice(&fastcgi::end(id, exit_status));
}

/// Appends bytes as records of a stream; none for no bytes, for an empty record would end the stream.
pub(super) fn record(stream: Stream, id: u16, parts: &[IoSlice<'_>], out: &mut Vec<u8>) {
    let mut left: usize = parts.iter().map(|part| part.len()).sum();
    out.reserve(left + 8 * (left / CONTENT + 1));
    let mut room = 0;
    for part in parts {
        let mut part = &part[..];
        while !part.is_empty() {
            if room == 0 {
                room = left.min(CONTENT);
                left -= room;
                out.extend_from_slice(&fastcgi::stream_header(stream, id, room as u16));
            }
            let (now, next) = part.split_at(part.len().min(room));
            out.extend_from_slice(now);
            room -= now.len();
            part = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_cut_into_records_wherever_their_parts_end() {
        let long = vec![b'x'; CONTENT];
        let parts = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(&long)];
        let mut out = Vec::new();
        record(Stream::Stdout, 7, &parts, &mut out);
        let first = fastcgi::stream_header(Stream::Stdout, 7, CONTENT_BYTES_MAX);
        let second = fastcgi::stream_header(Stream::Stdout, 7, 2);
        assert_eq!(out[..8], first);
        assert_eq!(&out[8..11], b"abx");
        assert_eq!(out[8 + CONTENT..][..8], second);
        assert_eq!(out.len(), 16 + 2 + CONTENT);
        out.clear();
        record(Stream::Stdout, 7, &[IoSlice::new(b"")], &mut out);
        assert!(out.is_empty());
    }
}
