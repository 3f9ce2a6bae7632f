//! How the bytes of an answer are dressed for the protocol that its request came by.

use std::io::IoSlice;

use uwsgi_plugin_api::WireProtocol;
use uwsgi_protocol::fastcgi::Stream;
use uwsgi_protocol::http1::{Form, Wire};

use super::stream_records::{ending, record};

/// The form of one request's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dress {
    /// The form of its head.
    pub wire: Wire,
    /// The request that its records belong to, where it goes in records.
    pub records: Option<u16>,
    /// What its client reads, where the server answers itself.
    pub form: Form,
    /// The request was HEAD: such an answer has no body.
    pub is_head: bool,
    /// There is no form: the connection is the application's own.
    pub raw: bool,
}

impl Default for Dress {
    fn default() -> Self {
        Self { wire: Wire::Http, records: None, form: Form::Text, is_head: false, raw: false }
    }
}

impl Dress {
    /// Of connections of `raw-socket`.
    pub const RAW: Self =
        Self { wire: Wire::Http, records: None, form: Form::Text, is_head: false, raw: true };

    /// That of requests of a protocol.
    pub fn new(protocol: WireProtocol, request_id: Option<u16>) -> Self {
        let wire = match protocol {
            WireProtocol::Http | WireProtocol::Auto | WireProtocol::Raw => Wire::Http,
            WireProtocol::FastCgi | WireProtocol::Scgi => Wire::Cgi,
            WireProtocol::Uwsgi
            | WireProtocol::PersistentUwsgi
            | WireProtocol::FastCgiNph
            | WireProtocol::ScgiNph => Wire::Front,
        };
        Self { wire, records: request_id, ..Self::default() }
    }

    /// The same for a client that reads this.
    pub fn read_by(self, form: Form, is_head: bool) -> Self {
        Self { form, is_head, ..self }
    }

    /// True where it goes to a client of HTTP.
    pub fn is_http(self) -> bool {
        self.wire == Wire::Http
    }

    /// A whole ready-made HTTP answer that nobody else has begun, as it goes on the wire. `remark` is for the front
    /// end's log, where the protocol has a place for it.
    pub fn whole(self, answer: &[u8], remark: &str) -> Vec<u8> {
        if self.raw {
            return Vec::new();
        }
        let (before, rest) = self.wire.dress(answer);
        let Some(id) = self.records else { return [before, rest].concat() };
        let mut out = Vec::new();
        record(Stream::Stdout, id, &[IoSlice::new(before), IoSlice::new(rest)], &mut out);
        ending(id, 1, remark, &mut out);
        out
    }

    /// In one word, for another thread.
    pub fn to_bits(self) -> u32 {
        let wire = match self.wire {
            Wire::Http => 0,
            Wire::Front => 1,
            Wire::Cgi => 2,
        };
        let records = self.records.map_or(0, |id| u32::from(id) | 1 << 16);
        let form = match self.form {
            Form::Text => 0,
            Form::Html => 1,
            Form::Json => 2,
        };
        let flags = u32::from(self.raw) << 18 | u32::from(self.is_head) << 17;
        wire << 24 | form << 20 | flags | records
    }

    /// The reverse of [`Dress::to_bits`].
    pub fn of_bits(bits: u32) -> Self {
        let wire = match bits >> 24 {
            0 => Wire::Http,
            1 => Wire::Front,
            _ => Wire::Cgi,
        };
        let records = (bits & 1 << 16 != 0).then_some((bits & 0xffff) as u16);
        let form = match bits >> 20 & 0xf {
            0 => Form::Text,
            1 => Form::Html,
            _ => Form::Json,
        };
        let is_set = |bit: u32| bits & 1 << bit != 0;
        Self { wire, records, form, is_head: is_set(17), raw: is_set(18) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dress_survives_its_bits() {
        for wire in [Wire::Http, Wire::Front, Wire::Cgi] {
            for records in [None, Some(0), Some(1), Some(u16::MAX)] {
                for form in [Form::Text, Form::Html, Form::Json] {
                    for (is_head, raw) in [(false, false), (true, false), (false, true)] {
                        let dress = Dress { wire, records, form, is_head, raw };
                        assert_eq!(Dress::of_bits(dress.to_bits()), dress);
                    }
                }
            }
        }
    }
}
