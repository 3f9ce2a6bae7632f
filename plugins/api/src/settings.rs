//! The options as they were set, and how uWSGI reads flags and numbers.

/// The effective options as a plugin reads them: ordered, last one wins for single values.
///
/// Names are canonical (aliases were resolved). A flag without a value has the value `"1"`.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pairs: Vec<(String, String)>,
}

impl Settings {
    /// Settings from name and value pairs in their order.
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self { pairs }
    }

    /// All pairs in their order.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// Last value of an option.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of an option in their order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a flag is set, by uWSGI's rule (behaviour note 2.2).
    pub fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(flag_is_true)
    }

    /// Number of an option, by C's `atoi`; `None` where the option is absent.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name).map(leading_number)
    }
}

/// uWSGI's flag rule: everything is true but `false`, `off`, `no` and `0`.
pub fn flag_is_true(value: &str) -> bool {
    !["false", "off", "no", "0"].iter().any(|no| value.eq_ignore_ascii_case(no))
}

/// The decimal number at the start of `value` after blanks and a plus sign, 0 where there is none; saturates.
pub fn leading_number(value: &str) -> u64 {
    let text = value.trim_start();
    text.strip_prefix('+')
        .unwrap_or(text)
        .bytes()
        .take_while(u8::is_ascii_digit)
        .fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
}

/// The argument of a logger (`logger = [ID ]NAME[:ARGUMENT]`), where its name is one of these.
pub fn logger<'a>(text: &'a str, names: &[&str]) -> Option<&'a str> {
    let named = text
        .trim()
        .split_once(' ')
        .filter(|(id, _)| id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let logger = named.map_or(text.trim(), |(_, logger)| logger.trim_start());
    let (name, argument) = logger.split_once(':').unwrap_or((logger, ""));
    names.contains(&name).then_some(argument)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logger_may_have_an_id() {
        const NAMES: &[&str] = &["zeromq", "zmq"];
        assert_eq!(logger("zeromq:tcp://a:1", NAMES), Some("tcp://a:1"));
        assert_eq!(logger("mine zmq:ipc://x y", NAMES), Some("ipc://x y"));
        assert_eq!(logger("zeromq", NAMES), Some(""));
        assert_eq!(logger("file:/tmp/zeromq:x", NAMES), None);
    }
}
