//! Bodies whose bytes do not lie on the wire as such: chunks of HTTP, records of FastCGI.

use uwsgi_protocol::Reject;
pub use uwsgi_protocol::fastcgi::Piece;
use uwsgi_protocol::fastcgi::StdinDecoder;
use uwsgi_protocol::http1::{Chunk, ChunkedDecoder};

/// How the body at hand is coded, and where in it the decoder stands.
#[derive(Debug)]
pub enum Coding {
    /// RFC 9112, 7.1.
    Chunks(ChunkedDecoder),
    /// FastCGI's STDIN.
    Records(Records),
}

/// The STDIN records of one request.
#[derive(Debug)]
pub struct Records {
    decoder: StdinDecoder,
    /// `CONTENT_LENGTH`, if the front end knew it.
    announced: Option<u64>,
    received: u64,
}

impl Records {
    /// Those of a request, of whose body so much was announced.
    pub fn new(request_id: u16, announced: Option<u64>) -> Self {
        Self { decoder: StdinDecoder::new(request_id), announced, received: 0 }
    }

    /// The end of the records is the end of the body (reference 2.2, 8), but nobody may take a longer body for a
    /// shorter one, nor the other way round.
    fn decode(&mut self, data: &[u8]) -> Result<Piece, Reject> {
        let piece = self.decoder.decode(data)?;
        if let Piece::Data { len, .. } = piece {
            self.received += len as u64;
        }
        let announced = self.announced.unwrap_or(self.received);
        match piece {
            Piece::Data { .. } if self.received > announced => {
                Err(Reject::new(400, "body_longer_than_announced"))
            }
            Piece::End { consumed } if self.received < announced => Ok(Piece::Abort { consumed }),
            piece => Ok(piece),
        }
    }
}

impl Coding {
    /// What lies next in `data`, which begins where the last answer ended.
    ///
    /// # Errors
    /// A [`Reject`] where the bytes can never become a body.
    pub fn decode(&mut self, data: &[u8]) -> Result<Piece, Reject> {
        match self {
            Self::Records(records) => records.decode(data),
            Self::Chunks(decoder) => Ok(match decoder.decode(data)? {
                Chunk::More { consumed } => Piece::More { consumed },
                Chunk::Data { skip, len } => Piece::Data { skip, len },
                Chunk::End { consumed } => Piece::End { consumed },
            }),
        }
    }

    /// Where the rest of a body that nobody reads may be passed over: bytes up to the next record. Chunks have no such place.
    pub fn pending(&self) -> Option<usize> {
        match self {
            Self::Chunks(_) => None,
            Self::Records(records) => Some(records.decoder.pending()),
        }
    }

    /// True where the front end announced an empty body and nothing of another one has come. HAProxy 2.6 leaves out the
    /// record that ends it; where it comes later, it is one of a request that is over.
    pub fn is_announced_empty(&self) -> bool {
        let Self::Records(records) = self else { return false };
        records.announced == Some(0) && records.decoder.pending() == 0
    }

    /// True where nobody said how long the body is.
    pub fn is_unannounced(&self) -> bool {
        match self {
            Self::Chunks(_) => true,
            Self::Records(records) => records.announced.is_none(),
        }
    }
}
