//! What messages are signed with: from options, from a file, from the file where it is looked for.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;

use uwsgi_plugin_api::{PluginError, Settings};

use super::fault;
use crate::options::{self, SECRET, SECRET_FILE, SECRET_FILE_DEFAULT};
use crate::seal::SECRETS_MAX;

/// Shorter secrets are guessed.
const BYTES_MIN: usize = 8;
/// A file of secrets is not longer than this.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Others may read the file.
const OTHERS: u32 = 0o004;

/// The secrets, the one that signs first. With `compat` there is none.
pub(super) fn read(
    settings: &Settings,
    compat: bool,
    warnings: &mut Vec<String>,
) -> Result<Vec<Vec<u8>>, PluginError> {
    if compat {
        return Ok(Vec::new());
    }
    let mut secrets = Vec::new();
    for text in settings.all(SECRET) {
        let secret = checked(text).ok_or_else(|| too_short(SECRET, "..."))?;
        secrets.push(secret);
    }
    match settings.text(SECRET_FILE) {
        Some(path) => secrets.extend(file(path, warnings)?),
        None if secrets.is_empty() && is_there(SECRET_FILE_DEFAULT) => {
            secrets.extend(file(SECRET_FILE_DEFAULT, warnings)?);
        }
        None => {}
    }
    if secrets.is_empty() {
        return Err(PluginError(format!(
            "cluster: nodes need a secret that is the same on all of them: put a line of random text into {SECRET_FILE_DEFAULT} \
             (head -c 24 /dev/urandom | base64), or say {SECRET_FILE} = FILE or {SECRET} = TEXT. ({} does without, and lets \
             everybody who reaches the port read the configuration and reload the nodes.)",
            options::COMPAT
        )));
    }
    if secrets.len() > SECRETS_MAX {
        let why = format!("{} secrets; accepted: at most {SECRETS_MAX}", secrets.len());
        return Err(PluginError(format!("{SECRET}: {why}")));
    }
    Ok(secrets)
}

fn is_there(path: &str) -> bool {
    !matches!(fs::metadata(path), Err(error) if error.kind() == ErrorKind::NotFound)
}

fn checked(text: &str) -> Option<Vec<u8>> {
    (text.len() >= BYTES_MIN).then(|| text.as_bytes().to_vec())
}

/// The secret itself is never said.
fn too_short(option: &str, value: &str) -> PluginError {
    fault(option, value, &format!("a secret is too short; accepted: at least {BYTES_MIN} bytes"))
}

/// A secret each line.
fn file(path: &str, warnings: &mut Vec<String>) -> Result<Vec<Vec<u8>>, PluginError> {
    let wrong = |error: std::io::Error| {
        fault(SECRET_FILE, path, &format!("{error}; accepted: a file that the instance may read"))
    };
    let metadata = fs::metadata(path).map_err(wrong)?;
    if metadata.len() > FILE_BYTES_MAX {
        let why = format!("too large; accepted: at most {FILE_BYTES_MAX} bytes, a secret a line");
        return Err(fault(SECRET_FILE, path, &why));
    }
    if metadata.permissions().mode() & OTHERS != 0 {
        warnings.push(format!(
            "*** WARNING: {path} holds the secret of the cluster and everybody may read it (chmod o-r) ***"
        ));
    }
    let text = fs::read_to_string(path).map_err(wrong)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let secrets: Option<Vec<_>> = lines.map(checked).collect();
    match secrets {
        Some(secrets) if secrets.is_empty() => {
            Err(fault(SECRET_FILE, path, "no secret in it; accepted: a secret a line"))
        }
        Some(secrets) => Ok(secrets),
        None => Err(too_short(SECRET_FILE, path)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn secrets(pairs: &[(&str, &str)]) -> (Result<Vec<Vec<u8>>, String>, Vec<String>) {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut warnings = Vec::new();
        let read = read(&Settings::new(pairs.collect()), false, &mut warnings);
        (read.map_err(|error| error.to_string()), warnings)
    }

    fn file_of(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).expect("a mode");
        file
    }

    #[test]
    fn options_come_before_lines_of_the_file() {
        let file = file_of("of the file\n\n  the last one  \n", 0o600);
        let path = file.path().to_str().expect("a name");
        let (read, warnings) = secrets(&[(SECRET_FILE, path), (SECRET, "of an option")]);
        let wanted = ["of an option", "of the file", "the last one"].map(|text| text.as_bytes());
        assert_eq!(read.expect("good"), wanted);
        assert!(warnings.is_empty());
    }

    #[test]
    fn a_file_that_all_may_read_is_warned_of() {
        let file = file_of("of the file\n", 0o644);
        let (read, warnings) = secrets(&[(SECRET_FILE, file.path().to_str().expect("a name"))]);
        assert!(read.is_ok() && warnings[0].contains("everybody may read it"), "{warnings:?}");
    }

    #[test]
    fn short_and_missing_ones_are_refused_and_not_told() {
        let (read, _) = secrets(&[(SECRET, "geheim")]);
        let error = read.expect_err("too short");
        assert!(error.contains("at least 8 bytes") && !error.contains("geheim"), "{error}");
        for (text, why) in [("\n \n", "no secret in it"), ("long enough\nshort\n", "at least 8")] {
            let file = file_of(text, 0o600);
            let (read, _) = secrets(&[(SECRET_FILE, file.path().to_str().expect("a name"))]);
            assert!(read.expect_err(why).contains(why));
        }
        let (read, _) = secrets(&[(SECRET_FILE, "/nonexistent")]);
        assert!(read.expect_err("no file").contains("cluster-secret-file = /nonexistent"));
        if !is_there(SECRET_FILE_DEFAULT) {
            let (read, _) = secrets(&[]);
            assert!(read.expect_err("none").contains(SECRET_FILE_DEFAULT));
        }
    }
}
