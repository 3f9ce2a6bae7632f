//! The one table of live commands: their bytes in the master fifo (behaviour note 3.7) and their names elsewhere.

use crate::supervisor::Command;

/// What a byte of the master fifo asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fifo {
    /// A command.
    Command(Command),
    /// To read the fifo of this number from now on.
    Slot(u8),
    /// Something of uWSGI that is not here; the text says so.
    Absent(&'static str),
}

/// A command: its byte, its name, what it asks for.
struct Row {
    byte: u8,
    name: &'static str,
    meaning: Fifo,
}

const fn row(byte: u8, name: &'static str, command: Command) -> Row {
    Row { byte, name, meaning: Fifo::Command(command) }
}

const fn absent(byte: u8, text: &'static str) -> Row {
    Row { byte, name: "", meaning: Fifo::Absent(text) }
}

/// The name of the one command whose answer is a text: the table of sites. It changes nothing, so it has no byte.
pub const SITES: &str = "sites";

/// The node of the instance asks for its load, in JSON; fails while nothing serves.
pub const LOAD: &str = "load";
/// The node of the instance has said something that the master is to look at.
pub const LOOK: &str = "look";
/// The node of the instance has waited long enough for a reload.
pub const GIVE_UP: &str = "give-up-reload";

const ROWS: &[Row] = &[
    row(b'+', "more", Command::MoreWorkers),
    row(b'-', "fewer", Command::FewerWorkers),
    row(b'c', "chain-reload", Command::ChainReload),
    row(b'C', "cheap", Command::GoCheap),
    row(b'f', "refork", Command::Refork),
    row(b'l', "reopen-logs", Command::ReopenLogs),
    row(b'L', "rotate-logs", Command::RotateLogs),
    row(b'p', "pause", Command::Pause),
    row(b'P', "rewrite-pidfiles", Command::RewritePidfiles),
    row(b'q', "graceful-stop", Command::GracefulStop),
    row(b'Q', "stop", Command::Stop),
    row(b'r', "reload", Command::Reload),
    row(b'R', "brutal-reload", Command::BrutalReload),
    row(b's', "status", Command::PrintStatus),
    row(b'w', "reload-workers", Command::ReloadWorkers),
    row(b'W', "brutal-reload-workers", Command::BrutalReloadWorkers),
    absent(b'B', "there is no Emperor to ask for a reinforcement"),
    absent(b'E', "there is no Emperor that could look for vassals"),
    absent(b'S', "there are no subscriptions"),
];

/// What a byte asks for; `None` for bytes without a meaning, which are passed over.
pub fn of_fifo(byte: u8) -> Option<Fifo> {
    if byte.is_ascii_digit() {
        return Some(Fifo::Slot(byte - b'0'));
    }
    ROWS.iter().find(|row| row.byte == byte).map(|row| row.meaning)
}

/// The command of a name.
pub fn of_name(name: &str) -> Option<Command> {
    let row = ROWS.iter().find(|row| !row.name.is_empty() && row.name == name)?;
    match row.meaning {
        Fifo::Command(command) => Some(command),
        Fifo::Slot(_) | Fifo::Absent(_) => None,
    }
}

/// All names, for a message.
pub fn names() -> Vec<&'static str> {
    let names = ROWS.iter().map(|row| row.name).filter(|name| !name.is_empty());
    names.chain([SITES, LOAD, LOOK, GIVE_UP]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_names_are_unique() {
        for (position, row) in ROWS.iter().enumerate() {
            let rest = &ROWS[position + 1..];
            assert!(rest.iter().all(|other| other.byte != row.byte));
            assert!(row.name.is_empty() || rest.iter().all(|other| other.name != row.name));
        }
    }

    #[test]
    fn digits_switch_and_the_rest_is_passed_over() {
        assert_eq!(of_fifo(b'7'), Some(Fifo::Slot(7)));
        assert_eq!(of_fifo(b'r'), Some(Fifo::Command(Command::Reload)));
        assert_eq!(of_fifo(b'\n'), None);
        assert_eq!(of_name("reload"), Some(Command::Reload));
        assert_eq!(of_name(""), None);
    }
}
