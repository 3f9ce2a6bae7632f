//! Options from the environment: `UWSGI_MAX_REQUESTS=9` is `max-requests = 9`.

/// Variables that uWSGI keeps for itself (behaviour note 2.1), and ours.
const RESERVED: &[&str] = &[
    "UWSGI_RELOADS",
    "UWSGI_VASSALS_DIR",
    "UWSGI_EMPEROR_FD",
    "UWSGI_EMPEROR_FD_CONFIG",
    "UWSGI_EMPEROR_PROXY",
    "UWSGI_BROODLORD_NUM",
    "UWSGI_JAIL_PID",
    "UWSGI_ORIGINAL_PROC_NAME",
];

/// The option that a variable stands for, where it stands for one.
pub fn option_name(variable: &str) -> Option<String> {
    let name = variable.strip_prefix("UWSGI_").filter(|name| !name.is_empty())?;
    if RESERVED.contains(&variable) || variable.starts_with("UWSGI_RS_") {
        return None;
    }
    Some(name.to_ascii_lowercase().replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::option_name;

    #[test]
    fn names_are_lowered_and_dashed() {
        assert_eq!(option_name("UWSGI_MAX_REQUESTS").as_deref(), Some("max-requests"));
        assert_eq!(option_name("UWSGI_INI").as_deref(), Some("ini"));
    }

    #[test]
    fn other_and_reserved_variables_are_no_options() {
        for variable in ["PATH", "UWSGI_", "UWSGI_RELOADS", "UWSGI_RS_LISTENERS", "uwsgi_ini"] {
            assert_eq!(option_name(variable), None, "{variable}");
        }
    }
}
