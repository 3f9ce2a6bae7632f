//! Files whose changes are noticed by looking at them from time to time (behaviour note 3.8).

use std::path::PathBuf;
use std::time::SystemTime;

use crate::log;

/// Files and when each was changed last.
#[derive(Debug)]
pub struct Touched(Vec<(PathBuf, Option<SystemTime>)>);

impl Touched {
    /// What the files are like now is no change.
    pub fn new(files: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(files.into_iter().map(known).collect())
    }

    /// Numbers of those that were changed, made or removed since the last look.
    pub fn changed(&mut self) -> Vec<usize> {
        let mut numbers = Vec::new();
        for (number, (file, last)) in self.0.iter_mut().enumerate() {
            let time = modified(file);
            if time != *last {
                *last = time;
                numbers.push(number);
            }
        }
        numbers
    }
}

fn known(file: PathBuf) -> (PathBuf, Option<SystemTime>) {
    let time = modified(&file);
    if time.is_none() {
        let name = file.display();
        log::line(format_args!(
            "unable to stat() {name}, events will be triggered as soon as the file is created"
        ));
    }
    (file, time)
}

fn modified(file: &PathBuf) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn changes_are_noticed_once() {
        let directory = tempfile::tempdir().unwrap();
        let (there, later) = (directory.path().join("there"), directory.path().join("later"));
        std::fs::write(&there, "").unwrap();
        let mut touched = Touched::new([there.clone(), later.clone()]);
        assert!(touched.changed().is_empty());
        let file = std::fs::File::options().write(true).open(&there).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
        assert_eq!(touched.changed(), [0]);
        std::fs::write(&later, "").unwrap();
        assert_eq!(touched.changed(), [1]);
        assert!(touched.changed().is_empty());
        std::fs::remove_file(&there).unwrap();
        assert_eq!(touched.changed(), [0]);
    }
}
