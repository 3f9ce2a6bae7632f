//! What a process is given to find its configuration. Whoever wants to read it again keeps this.

use std::ffi::OsString;

use super::Outside;

/// What a process is given to find its configuration.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Command line without the program's name.
    pub args: Vec<OsString>,
    /// Environment in its order.
    pub environment: Vec<(OsString, OsString)>,
    /// What else may be seen.
    pub outside: Outside,
}

impl Source {
    /// A command line with the environment of this process.
    pub fn here(args: Vec<OsString>) -> Self {
        Self { args, environment: std::env::vars_os().collect(), outside: Outside::Open }
    }

    /// A command line without an environment.
    pub fn of_args<S: Into<OsString>>(args: impl IntoIterator<Item = S>) -> Self {
        Self { args: args.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// A variable of the environment.
    pub(in crate::config) fn variable(&self, name: &str) -> Option<String> {
        let (_, value) = self.environment.iter().rev().find(|(variable, _)| variable == name)?;
        Some(value.to_string_lossy().into_owned())
    }
}
