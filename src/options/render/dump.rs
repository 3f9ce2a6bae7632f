//! The text of `--dump-options`: a name on each line in the order of the table, aliases too, as uWSGI writes it.

use crate::options::Registry;

/// All names that can be given, those of options that are not supported too: this server knows them all.
pub fn dump(registry: &Registry) -> String {
    registry.names().map(|name| format!("{name}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::registry;
    use super::dump;

    #[test]
    fn each_name_has_a_line() {
        let text = dump(&registry());
        assert!(text.ends_with("\nsample-flag\nsample-wait\nsample-pause\nsample-mode\nsample-file\nsample-dirs\nsample-later\nsample-often\nsample-must\n"));
        assert!(text.lines().any(|line| line == "workers"));
    }
}
