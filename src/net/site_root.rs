//! Whether an application may be loaded from where a request says that it is.
//!
//! | | always | with `dynamic-apps-root` |
//! |---|---|---|
//! | any value | no zero byte, no line break | |
//! | a module | identifiers with dots between them | lies in `UWSGI_CHDIR` or `UWSGI_PYHOME` |
//! | a callable | the same, perhaps with `()` | has no dots |
//! | a file, a directory | | is there, and lies below a root when all links are followed |
//! | `UWSGI_SETENV` | `NAME=VALUE`, an identifier | none of what the loader or Python obey |
//!
//! What is looked at here is opened later by name: whoever may write below a root may put another link there in between.
//! Roots are for what peers say, not against those who write the applications.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use uwsgi_plugin_api::Site;
use uwsgi_plugin_api::site::{Source, ends_as_file};

/// As much of a value is shown, in bytes.
const SHOWN_BYTES_MAX: usize = 120;
/// Endings of what a module may lie in, after its name.
const MODULE_ENDINGS: [&str; 3] = ["", ".py", ".pyc"];

/// Why not. The text names the variable, its value and what is accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}={}: {why}", shown(value))]
pub struct Denied {
    variable: &'static str,
    value: Vec<u8>,
    why: String,
}

fn denied<T>(variable: &'static str, value: &[u8], why: impl Into<String>) -> Result<T, Denied> {
    Err(Denied { variable, value: value.to_vec(), why: why.into() })
}

/// The value in one line.
fn shown(value: &[u8]) -> String {
    let cut = &value[..value.len().min(SHOWN_BYTES_MAX)];
    let dots = if cut.len() < value.len() { "..." } else { "" };
    format!("\"{}\"{dots}", cut.escape_ascii())
}

/// Checks all that a request says of its application. `roots` are as configured; empty for anywhere.
///
/// # Errors
/// The first that may not be.
pub fn approve(site: &Site<'_>, roots: &[PathBuf]) -> Result<(), Denied> {
    let named = Named::of(site);
    named.plain(site)?;
    if let Place::Module(module) = named.place {
        is_module(named.variable, module)?;
    }
    if let Some((variable, name)) = named.callable {
        is_callable(variable, name, !roots.is_empty())?;
    }
    site.environment().try_for_each(|pair| may_set(pair, !roots.is_empty()))?;
    match roots {
        [] => Ok(()),
        roots => named.lies_below(site, &Roots::of(roots)),
    }
}

/// What a request names, and by which variable.
struct Named<'a> {
    variable: &'static str,
    place: Place<'a>,
    /// The one behind a colon, or `UWSGI_CALLABLE`.
    callable: Option<(&'static str, &'a [u8])>,
}

#[derive(Clone, Copy)]
enum Place<'a> {
    Module(&'a [u8]),
    File(&'a [u8]),
}

impl<'a> Named<'a> {
    fn of(site: &Site<'a>) -> Self {
        let callable = site.callable.map(|name| ("UWSGI_CALLABLE", name));
        let (variable, place, inner) = match site.source {
            Source::Module(name) => ("UWSGI_MODULE", Place::Module(name), None),
            Source::File(path) => ("UWSGI_FILE", Place::File(path), None),
            Source::Script(_) => {
                let (place, name) = site.source.parts();
                let place = match is_file(place, site.chdir) {
                    true => Place::File(place),
                    false => Place::Module(place),
                };
                ("UWSGI_SCRIPT", place, name.map(|name| ("UWSGI_SCRIPT", name)))
            }
        };
        Self { variable, place, callable: callable.or(inner) }
    }

    /// Nothing that ends a text early in a system call, or a line in the log.
    fn plain(&self, site: &Site<'_>) -> Result<(), Denied> {
        let values = [
            (self.variable, Some(site.source.text())),
            ("UWSGI_CALLABLE", site.callable),
            ("UWSGI_PYHOME", site.home),
            ("UWSGI_CHDIR", site.chdir),
            ("UWSGI_TOUCH_RELOAD", site.touch_reload()),
            ("UWSGI_APPID", Some(site.point)),
        ];
        let pairs = site.environment().map(|pair| ("UWSGI_SETENV", Some(pair)));
        for (variable, value) in values.into_iter().chain(pairs) {
            if let Some(value) =
                value.filter(|value| value.iter().any(|byte| matches!(byte, 0 | b'\n' | b'\r')))
            {
                let why = "a zero byte or a line break is in it; accepted: one line of text";
                return denied(variable, value, why);
            }
        }
        Ok(())
    }

    fn lies_below(&self, site: &Site<'_>, roots: &Roots) -> Result<(), Denied> {
        let below = |variable, value: Option<&[u8]>| {
            value.map(|value| roots.directory(variable, value)).transpose()
        };
        let chdir = below("UWSGI_CHDIR", site.chdir)?;
        let home = below("UWSGI_PYHOME", site.home)?;
        let variable = self.variable;
        match self.place {
            Place::File(path) => roots.file(variable, path, chdir.as_deref())?,
            Place::Module(module) => {
                roots.module(variable, module, chdir.as_deref(), home.as_deref())?;
            }
        }
        if let Some(path) = site.touch_reload() {
            roots.perhaps_file("UWSGI_TOUCH_RELOAD", path, chdir.as_deref())?;
        }
        Ok(())
    }
}

/// Whether that is a file and no module. `shop.wsgi` is either: the file where there is one.
fn is_file(place: &[u8], chdir: Option<&[u8]>) -> bool {
    if place.contains(&b'/') || !place.ends_with(b".wsgi") {
        return place.contains(&b'/') || ends_as_file(place);
    }
    let folder = Path::new(OsStr::from_bytes(chdir.unwrap_or_default()));
    folder.join(OsStr::from_bytes(place)).is_file()
}

/// A name in a module, perhaps of a factory: `app`, `make()`. Of other modules that it has imported everything would be
/// within reach by names with dots, so that there are none where there are roots.
fn is_callable(variable: &'static str, name: &[u8], rooted: bool) -> Result<(), Denied> {
    let text = std::str::from_utf8(name).unwrap_or_default();
    let text = text.strip_suffix("()").unwrap_or(text);
    match rooted {
        _ if !text.split('.').all(is_identifier) => {
            denied(variable, name, "is no callable; accepted: names such as app and make_app()")
        }
        true if text.contains('.') => {
            let why = "leads out of its module, and dynamic-apps-root is given; accepted: names without dots";
            denied(variable, name, why)
        }
        _ => Ok(()),
    }
}

fn is_module(variable: &'static str, name: &[u8]) -> Result<(), Denied> {
    let text = std::str::from_utf8(name).unwrap_or_default();
    if text.split('.').all(is_identifier) {
        return Ok(());
    }
    denied(
        variable,
        name,
        "is no module; accepted: names with dots between them, such as shop.wsgi",
    )
}

/// As Python has them, and a little more: whether there is such a module Python says.
fn is_identifier(word: &str) -> bool {
    let begins = word.chars().next().is_some_and(|first| first == '_' || first.is_alphabetic());
    begins && word.chars().all(|character| character == '_' || character.is_alphanumeric())
}

/// A pair of `UWSGI_SETENV`.
fn may_set(pair: &[u8], rooted: bool) -> Result<(), Denied> {
    const VARIABLE: &str = "UWSGI_SETENV";
    let end = pair.iter().position(|byte| *byte == b'=');
    let name = end.map(|end| &pair[..end]).unwrap_or_default();
    let is_word = |name: &[u8]| {
        name.iter().all(|byte| *byte == b'_' || byte.is_ascii_alphanumeric())
            && name.first().is_some_and(|first| !first.is_ascii_digit())
    };
    if !is_word(name) {
        let why = "sets no variable; accepted: NAME=VALUE, the name of letters, digits and _";
        return denied(VARIABLE, pair, why);
    }
    if rooted && (name.starts_with(b"LD_") || name.starts_with(b"PYTHON") || name == b"PATH") {
        let why = "says where programs and modules come from, and dynamic-apps-root is given; accepted: any but LD_*, PYTHON*, PATH";
        return denied(VARIABLE, pair, why);
    }
    Ok(())
}

/// The directories that everything has to lie below.
struct Roots {
    /// Without links; one that is not there holds nothing.
    resolved: Vec<PathBuf>,
    /// For messages.
    accepted: String,
}

impl Roots {
    fn of(roots: &[PathBuf]) -> Self {
        let names: Vec<_> = roots.iter().map(|root| root.display().to_string()).collect();
        let resolved = roots.iter().filter_map(|root| root.canonicalize().ok()).collect();
        Self { resolved, accepted: format!("accepted: paths below {}", names.join(", ")) }
    }

    /// The path without links and dots, where it is there and lies below a root.
    fn resolve(
        &self,
        variable: &'static str,
        value: &[u8],
        base: Option<&Path>,
    ) -> Result<PathBuf, Denied> {
        let path = Path::new(OsStr::from_bytes(value));
        let path = match (path.is_absolute(), base) {
            (true, _) => path.to_owned(),
            (false, Some(base)) => base.join(path),
            (false, None) => {
                let why = format!("is no absolute path; {}", self.accepted);
                return denied(variable, value, why);
            }
        };
        let resolved = match path.canonicalize() {
            Ok(resolved) => resolved,
            Err(error) => {
                return denied(
                    variable,
                    value,
                    format!("cannot be found: {error}; {}", self.accepted),
                );
            }
        };
        if !self.resolved.iter().any(|root| resolved.starts_with(root)) {
            let why = format!("does not lie below dynamic-apps-root; {}", self.accepted);
            return denied(variable, value, why);
        }
        Ok(resolved)
    }

    fn directory(&self, variable: &'static str, value: &[u8]) -> Result<PathBuf, Denied> {
        let path = self.resolve(variable, value, None)?;
        if path.is_dir() {
            return Ok(path);
        }
        denied(variable, value, format!("is no directory; {}", self.accepted))
    }

    fn file(
        &self,
        variable: &'static str,
        value: &[u8],
        base: Option<&Path>,
    ) -> Result<(), Denied> {
        let path = self.resolve(variable, value, base)?;
        // Reading a pipe or a device would not end.
        if path.is_file() {
            return Ok(());
        }
        denied(variable, value, format!("is no file; {}", self.accepted))
    }

    /// One that may be yet to come: its directory counts then.
    fn perhaps_file(
        &self,
        variable: &'static str,
        value: &[u8],
        base: Option<&Path>,
    ) -> Result<(), Denied> {
        let slash = value.iter().rposition(|byte| *byte == b'/');
        let (folder, name) = match slash {
            Some(at) => (&value[..at.max(1)], &value[at + 1..]),
            None => (&b"."[..], value),
        };
        let path = self.resolve(variable, folder, base)?.join(OsStr::from_bytes(name));
        match path.symlink_metadata() {
            Err(_) if name != b".." => Ok(()),
            _ => self.resolve(variable, value, base).map(drop),
        }
    }

    /// A module lies in the directory of the application or in its virtualenv: one of Python's own would be anybody's.
    fn module(
        &self,
        variable: &'static str,
        name: &[u8],
        chdir: Option<&Path>,
        home: Option<&Path>,
    ) -> Result<(), Denied> {
        let top = name.split(|byte| *byte == b'.').next().unwrap_or_default();
        let top = String::from_utf8_lossy(top);
        let libraries = home.map(libraries).unwrap_or_default();
        for folder in chdir.map(Path::to_owned).into_iter().chain(libraries) {
            for ending in MODULE_ENDINGS {
                let path = folder.join(format!("{top}{ending}"));
                if path.exists() {
                    let path = path.as_os_str().as_bytes().to_owned();
                    return match self.resolve(variable, &path, None) {
                        Ok(_) => Ok(()),
                        Err(Denied { why, .. }) => denied(variable, name, why),
                    };
                }
            }
        }
        let why = "is no module there, and dynamic-apps-root is given; accepted: modules in UWSGI_CHDIR or in the \
                   site-packages of UWSGI_PYHOME";
        denied(variable, name, why)
    }
}

/// Where the modules of a virtualenv are.
fn libraries(home: &Path) -> Vec<PathBuf> {
    let versions = std::fs::read_dir(home.join("lib")).into_iter().flatten().flatten();
    versions.map(|version| version.path().join("site-packages")).collect()
}

#[cfg(test)]
mod tests;
