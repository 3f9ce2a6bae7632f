//! A configuration to compare, and the files they are written in.
//!
//! ```text
//! ### what the case shows
//! ## args --ini a.ini
//! ## env NAME=VALUE
//! ## file a.ini
//! [uwsgi]
//! processes = 4
//! ## shown
//! ini = a.ini
//! processes = 4
//! ## differs why ours is not the same
//! ## ours
//! ...
//! ```

use std::fmt::Write;
use std::path::PathBuf;

/// One configuration.
#[derive(Default)]
pub(crate) struct Case {
    pub(crate) title: String,
    /// Arguments, divided at blanks.
    pub(crate) args: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// Name and text.
    pub(crate) files: Vec<(String, String)>,
    /// What the original shows: the lines of its list, or none where it refuses.
    pub(crate) shown: Vec<String>,
    /// Why ours differs.
    pub(crate) differs: Option<String>,
    pub(crate) ours: Option<Vec<String>>,
}

/// The cases of a file.
pub(crate) struct Corpus {
    path: PathBuf,
    pub(crate) cases: Vec<Case>,
}

/// What the lines that follow belong to.
enum Part {
    Nothing,
    File,
    Shown,
    Ours,
}

impl Corpus {
    pub(crate) fn read(path: PathBuf) -> Self {
        let text = std::fs::read_to_string(&path).unwrap();
        let (mut cases, mut part) = (Vec::<Case>::new(), Part::Nothing);
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("### ") {
                cases.push(Case { title: title.to_owned(), ..Case::default() });
                part = Part::Nothing;
                continue;
            }
            let Some(case) = cases.last_mut() else { continue };
            match line.strip_prefix("## ") {
                Some(word) => part = case.directive(word),
                None => case.line(&part, line),
            }
        }
        Self { path, cases }
    }

    pub(crate) fn name(&self) -> String {
        self.path.file_stem().unwrap().to_string_lossy().into_owned()
    }

    pub(crate) fn write(&self) {
        let mut text = String::new();
        self.cases.iter().for_each(|case| case.write(&mut text));
        std::fs::write(&self.path, text.trim_start()).unwrap();
    }
}

impl Case {
    fn directive(&mut self, line: &str) -> Part {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "args" => self.args.extend(rest.split(' ').map(str::to_owned)),
            "arg" => self.args.push(rest.to_owned()),
            "env" => {
                let (name, value) = rest.split_once('=').unwrap();
                self.environment.push((name.to_owned(), value.to_owned()));
            }
            "file" => {
                self.files.push((rest.to_owned(), String::new()));
                return Part::File;
            }
            "shown" => return Part::Shown,
            "differs" => self.differs = Some(rest.to_owned()),
            "ours" => {
                self.ours = Some(Vec::new());
                return Part::Ours;
            }
            _ => panic!("unknown line: ## {line}"),
        }
        Part::Nothing
    }

    fn line(&mut self, part: &Part, line: &str) {
        match part {
            Part::Nothing => assert!(line.is_empty(), "a line outside of everything: {line}"),
            Part::File => {
                let (_, text) = self.files.last_mut().unwrap();
                let _ = writeln!(text, "{line}"); // a String takes everything
            }
            Part::Shown if line.is_empty() => {}
            Part::Shown => self.shown.push(line.to_owned()),
            Part::Ours if line.is_empty() => {}
            Part::Ours => self.ours.get_or_insert_default().push(line.to_owned()),
        }
    }

    fn write(&self, out: &mut String) {
        let mut line = |text: String| {
            out.push_str(&text);
            out.push('\n');
        };
        line(format!("\n### {}", self.title));
        self.args.iter().for_each(|arg| line(format!("## arg {arg}")));
        self.environment.iter().for_each(|(name, value)| line(format!("## env {name}={value}")));
        for (name, text) in &self.files {
            line(format!("## file {name}\n{}", text.trim_end_matches('\n')));
        }
        line("## shown".to_owned());
        self.shown.iter().for_each(|shown| line(shown.clone()));
        if let Some(reason) = &self.differs {
            line(format!("## differs {reason}\n## ours"));
            self.ours.iter().flatten().for_each(|shown| line(shown.clone()));
        }
    }
}
