//! Packets that ask another instance for something without a request: ping and uwsgi signals (modifiers 100 and
//! 110, behaviour note 4.2).

use std::time::Duration;

use super::node::Node;
use super::{ControlError, PEER_TIMEOUT};
use crate::log;

const PING: u8 = 100;
const SIGNAL: u8 = 110;
/// Modifier of answers that say yes or no; the second modifier is 0 for no.
const ANSWER: u8 = 255;

/// Asks whether a uwsgi server answers at `address`. One that has a warning to tell is an error.
pub(super) fn ping(address: &str, timeout: Duration) -> Result<(), ControlError> {
    let seconds = timeout.as_secs();
    log::line(format_args!("PING uwsgi host {address} (timeout: {seconds})"));
    let mut node = Node::connect(address, timeout)?;
    let answer = node.ask(PING, 0)?;
    if answer.modifier1 != PING {
        return Err(ControlError::ForeignAnswer);
    }
    match node.read(answer.datasize)? {
        warning if warning.is_empty() => Ok(()),
        warning => Err(ControlError::Warned(printable(&warning))),
    }
}

/// Sends a signal, written as `ADDRESS,NUMBER`.
pub(super) fn signal(target: &str) -> Result<(), ControlError> {
    let (address, number) = parse(target)?;
    let answer = Node::connect(address, PEER_TIMEOUT)?.ask(SIGNAL, number)?;
    match (answer.modifier1, answer.modifier2) {
        (ANSWER, 0) => Err(ControlError::Rejected),
        (ANSWER, _) => {
            log::line(format_args!("signal {number} delivered to node {address}"));
            Ok(())
        }
        _ => Err(ControlError::ForeignAnswer),
    }
}

/// The comma is the last one: a path may hold others.
fn parse(target: &str) -> Result<(&str, u8), ControlError> {
    let (address, number) = target.rsplit_once(',').ok_or(ControlError::NoNumber)?;
    let bad = |_| ControlError::BadNumber(number.to_owned());
    Ok((address, number.trim().parse().map_err(bad)?))
}

/// Text of a peer, without what would control the terminal.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_an_address_and_a_number() {
        assert!(matches!(parse("127.0.0.1:3031,17"), Ok(("127.0.0.1:3031", 17))));
        assert!(matches!(parse("/tmp/a,b.sock,255"), Ok(("/tmp/a,b.sock", 255))));
        assert!(matches!(parse("127.0.0.1:3031"), Err(ControlError::NoNumber)));
        for number in ["", "-1", "256", "x"] {
            let target = format!("/tmp/a.sock,{number}");
            assert!(matches!(parse(&target), Err(ControlError::BadNumber(_))), "{target}");
        }
    }

    #[test]
    fn warnings_cannot_control_the_terminal() {
        assert_eq!(printable(b"a\x1b[2Jb\n\xff"), "a [2Jb \u{fffd}");
    }
}
