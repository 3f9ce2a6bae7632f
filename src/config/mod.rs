//! argv, environment and files become ordered directives, then one checked [`Config`].
//!
//! Two steps: [`read()`] collects [`Directive`]s from the environment, the command line and the files they name, in the
//! order in which uWSGI applies them, and has `expand` fill their placeholders in; [`finish()`] checks all of it and
//! gives every problem at once. Neither prints. Only `read` sees the outside, always through `read/open.rs`: it opens
//! what is named (by an `@(...)` in a value too), runs the commands of `exec://`, and looks at the paths of conditions.
//! What it saw can be noted, and read again instead of the outside ([`Snapshot`]).

mod argv;
mod diagnostic;
mod directive;
mod environment;
mod expand;
mod finish;
mod format;
#[doc(hidden)]
pub mod fuzzing;
mod magic;
mod misread;
pub mod model;
mod plugins;
mod read;
mod shared;
mod snapshot;
#[cfg(test)]
mod tests;
mod units;
mod values;

pub use diagnostic::{Diagnostic, Mark, Severity};
pub use directive::{Directive, FileText, Origin, Position, Spot};
pub use environment::option_name;
pub use finish::{SOCKETS, finish, settings};
pub use misread::comment_behind;
pub use model::Config;
pub use plugins::BUILT_IN;
pub use read::{Inquiry, Outside, Question, Reading, Source, Variable, read, read_target};
pub use shared::{Shared, admitted, is_bare, of_shared, own_options, shared_options};
pub use snapshot::{Snapshot, SnapshotError};

use crate::options::Registry;
use crate::sys::machine::Machine;

/// A checked configuration with what is to be said about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Problems that do not stop the server.
    pub warnings: Vec<Diagnostic>,
}

/// Reads, expands and checks in one go.
///
/// # Errors
/// Every problem that stops the server, with the warnings, in the order in which they were found.
pub fn load(
    registry: &Registry,
    source: &Source,
    machine: &Machine,
) -> Result<Loaded, Vec<Diagnostic>> {
    check(registry, machine, read(registry, source, machine))
}

/// Checks options that were read by another process, with their values as they are.
///
/// # Errors
/// As [`load`].
pub fn of_options(
    registry: &Registry,
    machine: &Machine,
    options: &[(String, String)],
) -> Result<Loaded, Vec<Diagnostic>> {
    let mut reading = Reading::default();
    for (name, value) in options {
        let directive = Directive::new(name.as_str(), Some(value.clone()), Origin::Site);
        if name == "env" {
            match read::assignment(&directive) {
                Ok(variable) => reading.variables.push(variable),
                Err(problem) => reading.problems.push(problem),
            }
        }
        reading.add(directive);
    }
    check(registry, machine, reading)
}

/// Expands and checks what was read.
///
/// # Errors
/// As [`load`].
pub fn check(
    registry: &Registry,
    machine: &Machine,
    reading: Reading,
) -> Result<Loaded, Vec<Diagnostic>> {
    let (config, warnings) = finish(reading, registry, machine)?;
    Ok(Loaded { config, warnings })
}
