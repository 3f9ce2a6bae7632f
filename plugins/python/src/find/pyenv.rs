//! pyenv's shims: what such a script runs can be read from files, which saves starting bash and Python twice.

use std::path::{Path, PathBuf};

use super::is_executable;

/// The program behind `<root>/shims/<name>`, where the files tell it plainly; else the shim has to be asked.
pub(super) fn behind_shim(shim: &Path) -> Option<PathBuf> {
    let (folder, name) = (shim.parent()?, shim.file_name()?);
    if folder.file_name()? != "shims" {
        return None;
    }
    let root = folder.parent()?;
    let chosen = match std::env::var("PYENV_VERSION") {
        Ok(versions) if !versions.is_empty() => versions.replace(':', "\n"),
        _ => local_choice().or_else(|| std::fs::read_to_string(root.join("version")).ok())?,
    };
    for version in chosen.split_whitespace() {
        let home = root.join("versions").join(version);
        if version.contains('/') || version == ".." || !home.is_dir() {
            return None; // `system`, a short form, a mistake: pyenv's business
        }
        let program = home.join("bin").join(name);
        if is_executable(&program) {
            return Some(program);
        }
    }
    None
}

/// `.python-version` of this folder or of one above it.
fn local_choice() -> Option<String> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().find_map(|folder| std::fs::read_to_string(folder.join(".python-version")).ok())
}
