//! Rows of the option table. Each option exists once; every reader, help text and page walks the rows.

use crate::Section;

/// What values an option takes, and how they are read (behaviour note 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// No value needed: true unless the value is `false`, `off`, `no` or `0` (any case).
    Flag,
    /// A flag that switches something off (`disable-logging`).
    NegativeFlag,
    /// A decimal number read as C's `atoi` does; negative is refused; a missing value is 1.
    Integer,
    /// As [`OptionKind::Integer`], but negative is accepted.
    SignedInteger,
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
    /// `key=value,key=value`; each occurrence adds one.
    KeyValueList,
}

impl OptionKind {
    /// Whether the value is on or off.
    pub const fn is_flag(self) -> bool {
        matches!(self, Self::Flag | Self::NegativeFlag)
    }

    /// Whether the value is a number.
    pub const fn is_number(self) -> bool {
        matches!(
            self,
            Self::Integer
                | Self::SignedInteger
                | Self::Unsigned64
                | Self::Unsigned16
                | Self::Megabytes
        )
    }

    /// Whether each occurrence adds a value; of all others the last one counts.
    pub const fn is_list(self) -> bool {
        matches!(self, Self::TextList | Self::KeyValueList)
    }

    /// What the command line demands of such an option, where its row says nothing else.
    const fn argument(self) -> Argument {
        match self {
            Self::Flag | Self::NegativeFlag => Argument::None,
            Self::OptionalText => Argument::Optional,
            _ => Argument::Required,
        }
    }
}

/// Whether an option has a value on the command line, in getopt's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// None is needed (`--master`); `--master=false` may be written all the same.
    None,
    /// `--option=VALUE` or nothing.
    Optional,
    /// `--option VALUE` or `--option=VALUE`.
    Required,
}

/// What becomes of an option that is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does what its help says.
    Works,
    /// It is accepted and changes nothing; the text says why and follows "has no effect here: ".
    NoEffect(&'static str),
    /// It is not there. The server starts without it and warns, since nothing wrong is served without it. The
    /// text says what to do instead and follows "is not supported: ".
    Missing(&'static str),
    /// It is not there, and without it the server would not be what was asked for: the start is refused. The
    /// text says what to do instead and follows "is not supported: ".
    Unsupported(&'static str),
}

impl Status {
    /// Why the option does nothing, or what to do instead, as a part of a sentence whose subject is the option. None
    /// where it works.
    pub fn remark(self) -> Option<String> {
        match self {
            Self::Works => None,
            Self::NoEffect(reason) => Some(format!("has no effect here: {reason}")),
            Self::Missing(instead) | Self::Unsupported(instead) => {
                Some(format!("is not supported: {instead}"))
            }
        }
    }
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
///
/// A unit stands in [`OptionRow::metavar`]: `BYTES`, `KIBIBYTES`, `MEBIBYTES`, `SECONDS`, `MILLISECONDS`, `N`; what is
/// named on a disk is a `PATH`, `FILE` or `DIR`.
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
    /// Whether the command line demands a value.
    pub argument: Argument,
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
    /// Part of uWSGI as PyPI builds it. Other options are no candidates for abbreviations, so that an
    /// abbreviation means here what it means there.
    pub stock: bool,
    /// What becomes of it.
    pub status: Status,
    /// One or two sentences: what it does, unit, default.
    pub help: &'static str,
}

/// Rows are written as `text("pidfile", "PATH", "Write ...").short('x').implies(&["master"])`; [`chapter`] puts
/// them into their section.
impl OptionRow {
    /// A row of a kind with what most rows have.
    pub const fn new(
        kind: OptionKind,
        name: &'static str,
        metavar: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            aliases: &[],
            short: None,
            kind,
            argument: kind.argument(),
            metavar,
            section: Section::Configuration,
            reload: Reload::Exec,
            implies: &[],
            immediate: false,
            stock: true,
            status: Status::Works,
            help,
        }
    }

    /// It is a number, and takes the word `auto` instead of one.
    pub fn takes_auto(&self) -> bool {
        self.kind.is_number() && self.metavar.ends_with("|auto")
    }

    /// Other names.
    pub const fn aliases(mut self, names: &'static [&'static str]) -> Self {
        self.aliases = names;
        self
    }

    /// The one-letter form.
    pub const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    /// Another rule for the command line than the kind's.
    pub const fn argument(mut self, argument: Argument) -> Self {
        self.argument = argument;
        self
    }

    /// What a change needs; a new master image where nothing is said.
    pub const fn reload(mut self, reload: Reload) -> Self {
        self.reload = reload;
        self
    }

    /// Options that it switches on.
    pub const fn implies(mut self, names: &'static [&'static str]) -> Self {
        self.implies = names;
        self
    }

    /// It acts where it stands.
    pub const fn immediate(mut self) -> Self {
        self.immediate = true;
        self
    }

    /// Not part of uWSGI as PyPI builds it.
    pub const fn extra(mut self) -> Self {
        self.stock = false;
        self
    }

    /// See [`Status::NoEffect`].
    pub const fn no_effect(mut self, reason: &'static str) -> Self {
        self.status = Status::NoEffect(reason);
        self
    }

    /// See [`Status::Missing`].
    pub const fn missing(mut self, instead: &'static str) -> Self {
        self.status = Status::Missing(instead);
        self
    }

    /// See [`Status::Unsupported`].
    pub const fn unsupported(mut self, instead: &'static str) -> Self {
        self.status = Status::Unsupported(instead);
        self
    }
}

/// A row of kind [`OptionKind::Flag`].
pub const fn flag(name: &'static str, help: &'static str) -> OptionRow {
    OptionRow::new(OptionKind::Flag, name, "", help)
}

/// A row of kind [`OptionKind::NegativeFlag`].
pub const fn negative_flag(name: &'static str, help: &'static str) -> OptionRow {
    OptionRow::new(OptionKind::NegativeFlag, name, "", help)
}

/// A row of kind [`OptionKind::Integer`].
pub const fn integer(name: &'static str, metavar: &'static str, help: &'static str) -> OptionRow {
    OptionRow::new(OptionKind::Integer, name, metavar, help)
}

/// A row of kind [`OptionKind::SignedInteger`].
pub const fn signed_integer(
    name: &'static str,
    metavar: &'static str,
    help: &'static str,
) -> OptionRow {
    OptionRow::new(OptionKind::SignedInteger, name, metavar, help)
}

/// A row of kind [`OptionKind::Unsigned64`].
pub const fn unsigned64(
    name: &'static str,
    metavar: &'static str,
    help: &'static str,
) -> OptionRow {
    OptionRow::new(OptionKind::Unsigned64, name, metavar, help)
}

/// A row of kind [`OptionKind::Unsigned16`].
pub const fn unsigned16(
    name: &'static str,
    metavar: &'static str,
    help: &'static str,
) -> OptionRow {
    OptionRow::new(OptionKind::Unsigned16, name, metavar, help)
}

/// A row of kind [`OptionKind::Megabytes`].
pub const fn megabytes(name: &'static str, metavar: &'static str, help: &'static str) -> OptionRow {
    OptionRow::new(OptionKind::Megabytes, name, metavar, help)
}

/// A row of kind [`OptionKind::Text`].
pub const fn text(name: &'static str, metavar: &'static str, help: &'static str) -> OptionRow {
    OptionRow::new(OptionKind::Text, name, metavar, help)
}

/// A row of kind [`OptionKind::OptionalText`].
pub const fn optional_text(
    name: &'static str,
    metavar: &'static str,
    help: &'static str,
) -> OptionRow {
    OptionRow::new(OptionKind::OptionalText, name, metavar, help)
}

/// A row of kind [`OptionKind::TextList`].
pub const fn list(name: &'static str, metavar: &'static str, help: &'static str) -> OptionRow {
    OptionRow::new(OptionKind::TextList, name, metavar, help)
}

/// A row of kind [`OptionKind::KeyValueList`].
pub const fn key_values(
    name: &'static str,
    metavar: &'static str,
    help: &'static str,
) -> OptionRow {
    OptionRow::new(OptionKind::KeyValueList, name, metavar, help)
}

/// The rows of one section.
pub const fn chapter<const N: usize>(section: Section, mut rows: [OptionRow; N]) -> [OptionRow; N] {
    let mut position = 0;
    while position < N {
        rows[position].section = section;
        position += 1;
    }
    rows
}
