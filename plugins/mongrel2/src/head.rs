//! The headers of a message, in either form, in one place.

use uwsgi_protocol::Reject;
use uwsgi_protocol::mongrel2::{Headers, Limits, message};

use crate::json;

/// Names and values, in their order; memory is kept from message to message.
#[derive(Debug, Default)]
pub(crate) struct Head {
    text: Vec<u8>,
    /// Ends of a name and of its value in `text`; each begins where the one before ends.
    ends: Vec<(usize, usize)>,
}

impl Head {
    /// Reads the headers of a message.
    ///
    /// # Errors
    /// Whatever is wrong with them; of JSON without a parser 501, `json_not_built`.
    pub(crate) fn read(&mut self, headers: Headers<'_>, limits: &Limits) -> Result<(), Reject> {
        self.text.clear();
        self.ends.clear();
        match headers {
            Headers::Tnet(dict) => {
                for field in message::fields(dict, limits) {
                    let (name, value) = field?;
                    self.push(name, value);
                }
            }
            Headers::Json(text) => {
                json::headers(text, &mut |name, value| self.push(name, value))
                    .map_err(|error| error.reject())?;
                if self.ends.len() > limits.fields_max {
                    return Err(Reject::new(400, "too_many_vars"));
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, name: &[u8], value: &[u8]) {
        self.text.extend_from_slice(name);
        let end = self.text.len();
        self.text.extend_from_slice(value);
        self.ends.push((end, self.text.len()));
    }

    /// Names and values.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(name, value)| {
            let field = (&self.text[start..name], &self.text[name..value]);
            start = value;
            field
        })
    }

    /// The values under a name.
    pub(crate) fn all<'a>(&'a self, wanted: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.fields().filter(move |(name, _)| *name == wanted).map(|(_, value)| value)
    }

    /// The first value under a name.
    pub(crate) fn get(&self, wanted: &[u8]) -> Option<&[u8]> {
        self.fields().find(|(name, _)| *name == wanted).map(|(_, value)| value)
    }
}
