//! What can be wrong with a command, and the exit status that says so.

use std::io;

use crate::net::address::AddressError;

/// Why a command was not carried out. The text follows the command and its value.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
    #[error("there is no such command")]
    NoSuchCommand,
    #[error("cannot read: {0}")]
    Unreadable(String),
    #[error(
        "the file holds {0}; accepted: one process id and nothing else, and process 1 only where it runs this program"
    )]
    NoPid(String),
    #[error("cannot signal process {pid}: {source}")]
    Kill { pid: i32, source: io::Error },
    #[error("{0}")]
    CommandFailed(String),
    #[error(
        "process {0} is no master of this program that could be asked: without a master, read stats"
    )]
    NoMaster(i32),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("{0}")]
    Unresolved(String),
    #[error(
        "a descriptor or a shared socket cannot be connected to; accepted: HOST:PORT, a path, @ABSTRACT"
    )]
    NotConnectable,
    #[error("cannot connect: {0}")]
    Unreachable(io::Error),
    #[error("no answer: {0}")]
    NoAnswer(io::Error),
    #[error("this is no answer of a uwsgi server")]
    ForeignAnswer,
    #[error("the node warns: {0}")]
    Warned(String),
    #[error("the node rejected the signal")]
    Rejected,
    #[error("invalid syntax for signal, must be addr,signal")]
    NoNumber,
    #[error("invalid signal number {0:?}; accepted: 0 to 255")]
    BadNumber(String),
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

impl ControlError {
    /// The exit status, as uWSGI's; 255 is its kill(2)'s -1.
    pub(super) fn status(&self) -> i32 {
        match self {
            Self::Kill { .. } => 255,
            Self::Warned(_) | Self::Rejected => 2,
            Self::BadNumber(_) => 3,
            _ => 1,
        }
    }
}
