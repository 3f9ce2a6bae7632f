//! The file of `cluster-state`: who has a vote, kept over restarts.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::id::NodeKey;
use crate::wire::Electorate;

/// A file of ours is not longer than this.
const BYTES_MAX: u64 = 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Kept {
    group: String,
    lineage: u64,
    term: u64,
    version: u64,
    voters: Vec<NodeKey>,
}

/// What was kept of this group; `None` where nothing was.
///
/// # Errors
/// The file is there and cannot be used: better no vote than a wrong one.
pub(crate) fn read(path: &Path, group: &str) -> Result<Option<Electorate>, String> {
    let wrong = |why: String| format!("{}: {why}", path.display());
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
        // A device may have no end, and a pipe nobody who writes.
        Ok(metadata) if !metadata.is_file() => return Err(wrong("it is no file".to_owned())),
        Ok(metadata) if metadata.len() > BYTES_MAX => return Err(wrong("too large".to_owned())),
        Ok(_) => {}
    }
    let text = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    parse(&text, group).map(Some).map_err(wrong)
}

/// The same of a text.
///
/// # Errors
/// It is none of this group.
pub(crate) fn parse(text: &[u8], group: &str) -> Result<Electorate, String> {
    let kept: Kept =
        serde_json::from_slice(text).map_err(|error| format!("no state of a cluster ({error})"))?;
    if kept.group != group {
        return Err(format!("it is of the cluster {}", kept.group));
    }
    let voters = kept.voters.into_iter().collect();
    let Kept { lineage, term, version, .. } = kept;
    Ok(Electorate { lineage, term, version, voters })
}

/// What [`parse`] reads.
pub(crate) fn text(group: &str, electorate: &Electorate) -> Vec<u8> {
    let voters = electorate.voters.iter().copied().collect();
    let Electorate { lineage, term, version, .. } = *electorate;
    let kept = Kept { group: group.to_owned(), lineage, term, version, voters };
    serde_json::to_vec_pretty(&kept).unwrap_or_default()
}

/// Keeps it; whatever happens, the file holds all of what is or of what was.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let mut file = File::create(&name)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&name, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state");
        assert_eq!(read(&path, "g:1"), Ok(None));
        let voters = ["10.0.0.1:1".parse().expect("good"), "[::1]:2".parse().expect("good")];
        let electorate =
            Electorate { lineage: u64::MAX, term: 2, version: 3, voters: voters.into() };
        write(&path, &text("g:1", &electorate)).expect("written");
        assert_eq!(read(&path, "g:1"), Ok(Some(electorate)));
        assert!(read(&path, "g:2").expect_err("another group").contains("of the cluster g:1"));
        assert!(read(Path::new("/dev/zero"), "g:1").expect_err("endless").contains("no file"));
        fs::write(&path, "{").expect("written");
        assert!(read(&path, "g:1").expect_err("broken").contains("no state of a cluster"));
    }
}
