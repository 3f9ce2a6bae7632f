//! The body of a request: a stream of STDIN records.

use super::record::{Header, kinds};
use crate::Reject;

/// What lies next in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// More bytes are needed; so many are done with.
    More {
        /// Drop these.
        consumed: usize,
    },
    /// Bytes of the body.
    Data {
        /// They begin there.
        skip: usize,
        /// There are so many.
        len: usize,
    },
    /// The stream ended.
    End {
        /// Drop these.
        consumed: usize,
    },
    /// A whole record of another request, or of none: it is for later.
    Foreign {
        /// It begins there.
        skip: usize,
        /// It has so many bytes.
        len: usize,
    },
    /// The front end gave the request up.
    Abort {
        /// Drop these.
        consumed: usize,
    },
}

/// Incremental: it is called with what follows the last piece.
#[derive(Debug)]
pub struct StdinDecoder {
    id: u16,
    /// Bytes of the present record's content that are still to come.
    content: usize,
    /// Bytes of padding behind it.
    padding: usize,
}

impl StdinDecoder {
    /// The body of this request.
    pub fn new(id: u16) -> Self {
        Self { id, content: 0, padding: 0 }
    }

    /// Bytes of the present record that are still to come: what follows them begins with a record.
    pub fn pending(&self) -> usize {
        self.content + self.padding
    }

    /// What lies next in `data`.
    ///
    /// # Errors
    /// A [`Reject`] for records that must not be there.
    pub fn decode(&mut self, data: &[u8]) -> Result<Piece, Reject> {
        let mut at = 0;
        loop {
            let rest = &data[at..];
            if self.content > 0 {
                let len = self.content.min(rest.len());
                self.content -= len;
                let none = Piece::More { consumed: at };
                return Ok(if len == 0 { none } else { Piece::Data { skip: at, len } });
            }
            let padding = self.padding.min(rest.len());
            self.padding -= padding;
            at += padding;
            let rest = &data[at..];
            let Some(header) = Header::read(rest)? else { return Ok(Piece::More { consumed: at }) };
            if !header.is_of(self.id) {
                let len = header.record_len();
                let is_whole = len <= rest.len();
                let more = Piece::More { consumed: at };
                return Ok(if is_whole { Piece::Foreign { skip: at, len } } else { more });
            }
            match header.kind {
                kinds::STDIN if header.content > 0 => {
                    (self.content, self.padding) = (header.content, header.padding);
                    at += super::HEADER_BYTES;
                }
                kinds::STDIN | kinds::ABORT_REQUEST => {
                    // With its padding, so that what follows begins with a record.
                    let len = header.record_len();
                    if len > rest.len() {
                        return Ok(Piece::More { consumed: at });
                    }
                    let consumed = at + len;
                    let ends = header.kind == kinds::STDIN;
                    return Ok(if ends {
                        Piece::End { consumed }
                    } else {
                        Piece::Abort { consumed }
                    });
                }
                kinds::PARAMS => return Err(Reject::new(400, "params_after_end")),
                kinds::BEGIN_REQUEST => return Err(Reject::new(400, "duplicate_begin")),
                // Of another role: nobody here reads it.
                kinds::DATA => {
                    (self.content, self.padding) = (0, header.content + header.padding);
                    at += super::HEADER_BYTES;
                }
                _ => return Err(Reject::new(400, "record_from_wrong_side")),
            }
        }
    }
}
