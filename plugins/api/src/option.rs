//! Rows of the option table. Each option exists once; every reader, help text and page walks the rows.

/// What values an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// No value needed: true unless the value is `false`, `off`, `no` or `0` (any case).
    Flag,
    /// A flag that switches something off (`disable-logging`).
    NegativeFlag,
    /// A decimal number read as C's `atoi` does; negative is refused; a missing value is 1.
    Integer,
    /// A decimal number of up to 64 bits.
    Unsigned64,
    /// A decimal number of up to 16 bits; larger is clamped to 65535.
    Unsigned16,
    /// A number of mebibytes, stored as bytes.
    Megabytes,
    /// Text, kept verbatim.
    Text,
    /// Text that may be left out.
    OptionalText,
    /// Text; each occurrence adds one.
    TextList,
}

impl OptionKind {
    /// Whether the command line demands a value.
    pub fn needs_value(self) -> bool {
        matches!(
            self,
            Self::Integer
                | Self::Unsigned64
                | Self::Unsigned16
                | Self::Megabytes
                | Self::Text
                | Self::TextList
        )
    }
}

/// Topic of an option, and its chapter in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the titles say it
pub enum Section {
    Sockets,
    Processes,
    Limits,
    Logging,
    Paths,
    Configuration,
    Python,
    Http,
}

/// What a changed value needs to take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// At once.
    Live,
    /// New workers.
    Workers,
    /// A new master image (sockets, user, daemon).
    Exec,
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct OptionRow {
    /// The name, with dashes, without leading ones.
    pub name: &'static str,
    /// Other names of the same option.
    pub aliases: &'static [&'static str],
    /// One-letter form.
    pub short: Option<char>,
    /// What it takes.
    pub kind: OptionKind,
    /// How its value is called in the help (`PATH`, `N`); empty for flags.
    pub metavar: &'static str,
    /// Its chapter.
    pub section: Section,
    /// What a change needs.
    pub reload: Reload,
    /// Other options that merely naming this one switches on (`stats` gives a master).
    pub implies: &'static [&'static str],
    /// Applied as soon as it is read, at its place (configuration loaders, `strict`).
    pub immediate: bool,
    /// One or two sentences: what it does, unit, default.
    pub help: &'static str,
}

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

/// The decimal number at the start of `value` after blanks, 0 where there is none; saturates.
pub fn leading_number(value: &str) -> u64 {
    value
        .trim_start()
        .bytes()
        .take_while(u8::is_ascii_digit)
        .fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
}
