//! The configurations of `configuration/cases` are read again from what the first reading saw, when their files are
//! gone: nothing may differ.
//!
//! A test of its own process, since the cases name their files from the working directory.
#![allow(clippy::unwrap_used)] // panicking is how a test fails

#[allow(dead_code)] // what the cases show is for others
#[path = "configuration/case.rs"]
mod case;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use case::{Case, Corpus};
use uwsgi::config::{self, Outside, Snapshot, Source};
use uwsgi::options::Registry;
use uwsgi::sys::machine::Machine;

/// The environment that the cases have.
fn environment(case: &Case) -> Vec<(String, String)> {
    let common = [("HOME", "/root"), ("PATH", "/usr/bin:/bin")];
    let common = common.map(|(name, value)| (name.to_owned(), value.to_owned()));
    common.into_iter().chain(case.environment.iter().cloned()).collect()
}

/// All that comes of a reading, as text, and what it saw.
fn read(case: &Case, outside: Outside, machine: &Machine) -> (String, bool, Option<Arc<Snapshot>>) {
    let registry = Registry::new(&[]);
    let environment = environment(case);
    let environment = environment.into_iter().map(|(name, value)| (name.into(), value.into()));
    let environment = environment.collect();
    let source = Source { environment, outside, ..Source::of_args(&case.args) };
    let mut reading = config::read(&registry, &source, machine);
    let snapshot = reading.snapshot.take();
    let list = format!("{:#?}\n{:#?}\n{:#?}", reading.directives, reading.notes, reading.files);
    let loaded = config::check(&registry, machine, reading);
    (format!("{list}\n{loaded:#?}"), loaded.is_ok(), snapshot)
}

fn write(folder: &Path, case: &Case) {
    for (name, text) in &case.files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

#[test]
fn every_case_is_the_same_from_its_snapshot() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configuration/cases");
    let files = std::fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path());
    let corpora: Vec<_> = files.map(|file: PathBuf| Corpus::read(file)).collect();
    let (mut good, mut changed) = (0, 0);
    for case in corpora.iter().flat_map(|corpus| &corpus.cases) {
        let folder = tempfile::tempdir().unwrap();
        std::env::set_current_dir(&folder).unwrap();
        write(folder.path(), case);
        let (first, is_good, snapshot) = read(case, Outside::Noted, &Machine::detect());
        let bytes = snapshot.unwrap().encode().unwrap();

        std::env::set_current_dir("/").unwrap();
        drop(folder);
        let snapshot = Arc::new(Snapshot::decode(&bytes).unwrap());
        let machine = snapshot.machine().clone();
        let (second, ..) = read(case, Outside::Replayed(snapshot), &machine);
        assert_eq!(first, second, "{}", case.title);

        good += usize::from(is_good);
        let (third, ..) = read(case, Outside::Open, &machine);
        changed += usize::from(third != first);
    }
    assert!(good >= 60, "{good} cases load");
    assert!(changed >= 60, "{changed} cases would be read otherwise without their files");
}
