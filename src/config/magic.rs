//! Magic variables: `%d`, `%n`, ... in the text of a configuration file (behaviour note 2.3).
//!
//! `%` and one letter are replaced while the file is read; `%%` is a percent sign, `%(` is left for the
//! placeholders, any other letter is replaced by nothing. Small letters speak of the file that is read,
//! capital ones of the first file. Unlike uWSGI, a `%` at the end of a line stays (there it swallows the
//! line break) and capital letters work for a file given without `--ini` too.

use std::path::Path;
use std::time::Duration;

use crate::options::COMPATIBLE_WITH;
use crate::sys::machine::Machine;

/// The names of one configuration file; all empty for standard input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FileNames {
    /// As given, without a section.
    pub given: String,
    /// Absolute.
    path: String,
    /// With a `/` at its end.
    directory: String,
    /// Last component of the path.
    base: String,
    /// The section that was asked for; empty where none was named.
    section: String,
    inode: Option<u64>,
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Absolute, with a `/` at its end; links are resolved.
    pub directory: String,
    /// Of the file, where it is there.
    pub inode: Option<u64>,
}

impl FileNames {
    /// Names of the file `given`, which is at `place`.
    pub(super) fn new(given: &str, section: &str, place: Place) -> Self {
        let base = Path::new(given).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Place { directory, inode } = place;
        Self {
            given: given.to_owned(),
            path: format!("{directory}{base}"),
            directory,
            base,
            section: section.to_owned(),
            inode,
        }
    }

    /// Names of what is no file: standard input, a scheme.
    pub(super) fn nameless(given: &str, section: &str) -> Self {
        Self { given: given.to_owned(), section: section.to_owned(), ..Self::default() }
    }

    fn stem(&self) -> &str {
        self.base.rsplit_once('.').map_or(&self.base, |(stem, _)| stem)
    }

    fn extension(&self) -> &str {
        self.base.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    fn component(&self, number: usize) -> &str {
        self.directory.split('/').filter(|part| !part.is_empty()).nth(number).unwrap_or_default()
    }

    fn container(&self) -> &str {
        self.directory.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }

    /// Variables that exist for the current (small letter) and the first file (capital letter).
    fn named(&self, letter: char) -> Option<String> {
        Some(match letter {
            'o' => self.given.clone(),
            'p' => self.path.clone(),
            'd' => self.directory.clone(),
            's' => self.base.clone(),
            'n' => self.stem().to_owned(),
            'e' => self.extension().to_owned(),
            'c' => self.container().to_owned(),
            'x' => self.section.clone(),
            'i' => self.inode.map(|inode| inode.to_string()).unwrap_or_default(),
            'j' => hash(&self.path),
            _ => return None,
        })
    }
}

/// uWSGI prints the four bytes of the hash (djb33x) in the order of a little-endian machine's memory.
fn hash(path: &str) -> String {
    let hash = path.bytes().fold(5381u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte));
    if path.is_empty() { String::new() } else { format!("{:08X}", hash.swap_bytes()) }
}

/// All that magic variables can tell while one file is read.
pub(super) struct Magic<'a> {
    current: &'a FileNames,
    first: &'a FileNames,
    machine: &'a Machine,
    /// When the reading began, since 1970; for all files the same, as in uWSGI.
    began: Duration,
}

/// A part of a line.
pub(super) enum Piece<'t> {
    /// Text that stays; may be empty.
    Text(&'t str),
    /// A variable as it is written, and what takes its place.
    Variable { written: &'t str, value: String },
}

impl<'a> Magic<'a> {
    /// Variables while `current` is read, where `first` was read first.
    pub(super) fn new(
        current: &'a FileNames,
        first: &'a FileNames,
        machine: &'a Machine,
        began: Duration,
    ) -> Self {
        Self { current, first, machine, began }
    }

    /// `line` in pieces, its variables with their values; readers keep their places by them.
    pub(super) fn pieces<'t>(&self, line: &'t str) -> Vec<Piece<'t>> {
        let mut pieces = Vec::new();
        let mut rest = line;
        while let Some(at) = rest.find('%') {
            let Some(letter) = rest[at + 1..].chars().next() else { break };
            let (text, variable) = rest.split_at(at);
            let (written, after) = variable.split_at(1 + letter.len_utf8());
            pieces.push(Piece::Text(text));
            pieces.push(Piece::Variable { written, value: self.value(letter) });
            rest = after;
        }
        pieces.push(Piece::Text(rest));
        pieces
    }

    fn value(&self, letter: char) -> String {
        let machine = self.machine;
        match letter {
            '%' => "%".to_owned(),
            '(' => "%(".to_owned(),
            '[' => "\x1b".to_owned(),
            '0'..='9' => self.current.component(letter as usize - '0' as usize).to_owned(),
            'v' => machine.cwd.to_string_lossy().into_owned(),
            'V' => COMPATIBLE_WITH.to_owned(),
            'h' => machine.hostname.clone(),
            'k' => machine.cores.to_string(),
            'u' => machine.uid.to_string(),
            'U' => machine.user.clone(),
            'g' => machine.gid.to_string(),
            'G' => machine.group.clone(),
            'b' => machine.binary.to_string_lossy().into_owned(),
            't' => self.began.as_secs().to_string(),
            'T' => self.began.as_micros().to_string(),
            _ if letter.is_ascii_uppercase() => {
                self.first.named(letter.to_ascii_lowercase()).unwrap_or_default()
            }
            _ => self.current.named(letter).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A machine that is the same everywhere.
    pub(in crate::config) fn machine() -> Machine {
        Machine {
            cwd: "/srv/here".into(),
            hostname: "vm".to_owned(),
            system: "Linux-6.1 #1 SMP".to_owned(),
            architecture: "x86_64".to_owned(),
            page_bytes: 4096,
            cores: 2,
            processors: 3,
            binary: "/usr/bin/uwsgi".into(),
            uid: 1000,
            user: "joe".to_owned(),
            gid: 100,
            group: "users".to_owned(),
            somaxconn: Some(4096),
            descriptors_max: 1024,
            processes_max: Some(100),
        }
    }

    pub(in crate::config) fn place(directory: &str) -> Place {
        Place { directory: directory.to_owned(), inode: None }
    }

    fn substituted(magic: &Magic<'_>, line: &str) -> String {
        let value = |piece: &Piece<'_>| match piece {
            Piece::Text(text) => (*text).to_owned(),
            Piece::Variable { value, .. } => value.clone(),
        };
        magic.pieces(line).iter().map(value).collect()
    }

    #[test]
    fn every_variable_has_uwsgis_value() {
        let machine = machine();
        let current = FileNames::new("no-such-dir/app.x.ini", "sec", place("/srv/no-such-dir/"));
        let first = FileNames::new("/etc/first.ini", "", place("/etc/"));
        let magic = Magic::new(&current, &first, &machine, Duration::from_micros(3_000_004));
        for (text, expected) in [
            ("%o|%p|%d", "no-such-dir/app.x.ini|/srv/no-such-dir/app.x.ini|/srv/no-such-dir/"),
            ("%s|%n|%e|%c|%x", "app.x.ini|app.x|ini|no-such-dir|sec"),
            ("%0|%1|%2", "srv|no-such-dir|"),
            (
                "%O|%P|%D|%S|%N|%E|%C|%X",
                "/etc/first.ini|/etc/first.ini|/etc/|first.ini|first|ini|etc|",
            ),
            ("%v|%h|%k|%u|%U|%g|%G", "/srv/here|vm|2|1000|joe|100|users"),
            ("%b|%V", "/usr/bin/uwsgi|2.0.31"),
            ("%t|%T", "3|3000004"),
            ("%%d|%(d)|%[m|%z%y%q.", "%d|%(d)|\x1bm|."),
            ("100%", "100%"),
        ] {
            assert_eq!(substituted(&magic, text), expected, "{text}");
        }
    }

    #[test]
    fn the_hash_is_as_uwsgi_2_0_21_prints_it() {
        assert_eq!(hash("/tmp/cfg/m.ini"), "0CD3D5BE");
    }

    #[test]
    fn standard_input_has_no_names() {
        let (names, machine) = (FileNames::nameless("-", ""), machine());
        let magic = Magic::new(&names, &names, &machine, Duration::ZERO);
        assert_eq!(substituted(&magic, "a%p%n%d%s"), "a");
    }
}
