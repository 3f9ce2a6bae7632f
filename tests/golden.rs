//! What is rendered from the option table, against the files that are kept in the repository. A change of the table
//! changes them: `make golden` writes them anew.
#![allow(clippy::unwrap_used)] // panicking is how a test fails

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use uwsgi::options::{self, Registry};
use uwsgi_plugin_api::{Plugin, Status};

/// The table as the server has it, with the rows of plugins and gateways.
fn registry() -> Registry {
    use uwsgi_plugin_api::Gateway;
    use uwsgi_plugin_cluster::Cluster;
    use uwsgi_plugin_mongrel2::{Mongrel2, ZeromqLog};
    let python = uwsgi_plugin_python::PythonPlugin::new();
    Registry::new(&[
        python.options(),
        Mongrel2.options(),
        ZeromqLog.options(),
        Gateway::options(&Cluster),
    ])
}

/// Compares with the file, or writes it.
fn golden(path: &str, render: fn(&Registry) -> String) {
    let text = render(&registry());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let differs = kept.lines().zip(text.lines()).position(|(kept, now)| kept != now);
    let line = differs.unwrap_or_else(|| kept.lines().count().min(text.lines().count())) + 1;
    assert!(
        kept == text,
        "{} is not what the table says, from line {line} on: run make golden",
        path.display()
    );
}

#[test]
fn short_help() {
    golden("tests/golden/help.txt", options::help);
}

#[test]
fn man_page() {
    golden("packaging/man/uwsgi.1", options::man_page);
}

#[test]
fn page_of_options() {
    golden("docs/options.md", options::markdown);
}

#[test]
fn json_schema() {
    golden("packaging/uwsgi.schema.json", options::json_schema);
}

#[test]
fn completions() {
    golden("packaging/completions/uwsgi.bash", options::bash_completion);
    golden("packaging/completions/_uwsgi", options::zsh_completion);
    golden("packaging/completions/uwsgi.fish", options::fish_completion);
}

#[test]
fn options_of_the_short_help_are_canonical_and_work() {
    let registry = registry();
    for name in options::COMMON {
        let row = registry.find(name).unwrap_or_else(|| panic!("{name} is no option"));
        assert_eq!(row.name, *name, "by its canonical name");
        assert_eq!(row.status, Status::Works, "{name}");
    }
}

/// Whether a value has one of the types that a definition of the schema allows. Knows what our schema uses, no more.
fn accepts(schema: &Value, rule: &Value, value: &Value) -> bool {
    if let Some(path) = rule["$ref"].as_str() {
        return accepts(schema, schema.pointer(&path[1..]).unwrap(), value);
    }
    if let Some(rules) = rule["anyOf"].as_array() {
        return rules.iter().any(|rule| accepts(schema, rule, value));
    }
    let of_type = |name: &Value| match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    };
    let typed = match &rule["type"] {
        Value::Array(types) => types.iter().any(of_type),
        one => of_type(one),
    };
    typed && contents_accepted(schema, rule, value)
}

/// Whether what is in a value of the right type is as the rule wants it.
fn contents_accepted(schema: &Value, rule: &Value, value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            let least = rule["minimum"].as_i64();
            least.is_none_or(|least| number.as_i64().is_some_and(|number| number >= least))
        }
        Value::Array(items) => items.iter().all(|item| accepts(schema, &rule["items"], item)),
        Value::Object(members) => members.iter().all(|(name, member)| {
            let rule = rule["properties"].get(name).unwrap_or(&rule["additionalProperties"]);
            accepts(schema, rule, member)
        }),
        _ => true,
    }
}

#[test]
fn schema_tells_good_files_from_wrong_ones() {
    let schema: Value = serde_json::from_str(&options::json_schema(&registry())).unwrap();
    let good = json!({
        "uwsgi": {
            "master": true, "vacuum": "off", "processes": 4, "threads": "%(cores)", "cores": 2,
            "harakiri": "$(TIMEOUT)", "socket": [":3031", "/run/app.sock"], "http-socket": 8080,
            "module": "app:application", "uid": 1000, "pythonpath": "/srv/app",
        },
        "other": { "ini": "more.ini" },
    });
    assert!(accepts(&schema, &schema, &good));
    for wrong in [
        json!([]),
        json!({ "uwsgi": true }),
        json!({ "uwsgi": { "processes": [4] } }),
        json!({ "uwsgi": { "processes": -4 } }),
        json!({ "uwsgi": { "processes": 1.5 } }),
        json!({ "uwsgi": { "master": {} } }),
        json!({ "uwsgi": { "socket": { "address": ":3031" } } }),
        json!({ "uwsgi": { "socket": [true] } }),
        json!({ "other": { "module": true } }),
    ] {
        assert!(!accepts(&schema, &schema, &wrong), "{wrong}");
    }
}
