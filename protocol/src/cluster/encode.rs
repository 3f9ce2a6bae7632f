//! Datagrams to bytes, as old nodes write them.

use super::{DATAGRAM_BYTES_MAX, Datagram, Node, modifier};
use crate::uwsgi::{encode, encode_block};

impl Datagram<'_> {
    /// The datagram; `None` where old nodes would not take it whole, for it has more than [`DATAGRAM_BYTES_MAX`].
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let about = |modifier2, address: &[u8], out: &mut Vec<u8>| {
            encode(modifier::NODE, modifier2, &[(b"address", address)], out)
        };
        let encoded = match self {
            Self::Hello(hostname) => encode_block(modifier::HELLO, 0, hostname, &mut out),
            Self::Message(bytes) => encode_block(modifier::MESSAGE, 0, bytes, &mut out),
            Self::Node(node) => node.encode(&mut out),
            Self::Remove(address) => about(1, address, &mut out),
            Self::Enable(address) => about(2, address, &mut out),
            Self::Disable(address) => about(3, address, &mut out),
            Self::Log(line) => encode_block(modifier::LOG, 0, line, &mut out),
            Self::Reload { confirm } => {
                encode_block(modifier::RELOAD, (*confirm).into(), b"", &mut out)
            }
            Self::BrutalReload { confirm } => {
                encode_block(modifier::BRUTAL_RELOAD, (*confirm).into(), b"", &mut out)
            }
            Self::OptionsRequest => encode_block(modifier::OPTIONS, 0, b"", &mut out),
            Self::Options(options) => encode(modifier::OPTIONS, 1, options, &mut out),
            Self::Ping => encode_block(modifier::PING, 0, b"", &mut out),
            Self::Pong => encode_block(modifier::PING, 1, b"", &mut out),
        };
        (encoded && out.len() <= DATAGRAM_BYTES_MAX).then_some(out)
    }
}

impl Node<'_> {
    /// Keys in the order of the captures: some readers count on it.
    fn encode(&self, out: &mut Vec<u8>) -> bool {
        let (workers, requests) = (self.workers.to_string(), self.requests.to_string());
        let fields: [(&[u8], &[u8]); 4] = [
            (b"hostname", self.hostname),
            (b"address", self.address.as_bytes()),
            (b"workers", workers.as_bytes()),
            (b"requests", requests.as_bytes()),
        ];
        encode(modifier::NODE, 0, &fields, out)
    }
}
