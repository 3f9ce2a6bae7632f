//! JSON schema (2020-12) of configuration files in yaml, json and toml, for editors that complete and check them.
//!
//! A file is an object of sections; a section has options by name, and any other key is a placeholder. A value that
//! refers to a placeholder (`%(name)`, `$(NAME)`) is a string, whatever the option takes.

use serde_json::{Map, Value, json};
use uwsgi_plugin_api::{OptionKind, OptionRow};

use super::words::{self, Standing};
use crate::options::{Registry, names};

/// The schema's text, with a line break at its end.
pub fn json_schema(registry: &Registry) -> String {
    let properties: Map<_, _> = registry.rows().iter().copied().flat_map(properties).collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of uwsgi",
        "description": "Written from the option table by make golden.",
        "type": "object",
        "properties": { "uwsgi": { "$ref": "#/$defs/section" } },
        "additionalProperties": { "$ref": "#/$defs/section" },
        "$defs": {
            "section": {
                "type": "object",
                "properties": properties,
                "additionalProperties": { "$ref": "#/$defs/placeholder" },
            },
            "flag": { "type": ["boolean", "string", "integer"] },
            "natural": { "type": ["integer", "string"], "minimum": 0 },
            "integer": { "type": ["integer", "string"] },
            "text": { "type": ["string", "number"] },
            "optional-text": { "type": ["string", "number", "boolean", "null"] },
            "list": one_or_more(&json!({ "type": ["string", "number"] })),
            "placeholder": one_or_more(&json!({ "type": ["string", "number", "boolean", "null"] })),
        },
    });
    format!("{schema:#}\n")
}

fn one_or_more(one: &Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "items": one }] })
}

/// An option by its name and aliases.
fn properties(row: &'static OptionRow) -> impl Iterator<Item = (String, Value)> {
    names(row).map(move |name| (name.to_owned(), property(row, name)))
}

fn property(row: &OptionRow, name: &str) -> Value {
    let mut text = row.help.to_owned();
    if let Some(unit) = words::unit(row) {
        text.push_str(&format!(" Unit: {unit}."));
    }
    if name != row.name {
        text.push_str(&format!(" The same as {}.", row.name));
    }
    if let Some(remark) = words::remark_sentence(row) {
        text.push_str(&format!(" {remark}"));
    }
    let mut property =
        json!({ "$ref": format!("#/$defs/{}", shape(row.kind)), "description": text });
    if Standing::of(row) != Standing::Works {
        property["deprecated"] = true.into();
    }
    property
}

/// The definition that values of this kind follow.
const fn shape(kind: OptionKind) -> &'static str {
    match kind {
        OptionKind::Flag | OptionKind::NegativeFlag => "flag",
        OptionKind::Integer
        | OptionKind::Unsigned64
        | OptionKind::Unsigned16
        | OptionKind::Megabytes => "natural",
        OptionKind::SignedInteger => "integer",
        OptionKind::Text => "text",
        OptionKind::OptionalText => "optional-text",
        OptionKind::TextList | OptionKind::KeyValueList => "list",
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::registry;
    use super::*;

    fn schema() -> Value {
        serde_json::from_str(&json_schema(&registry())).expect("the schema is JSON")
    }

    #[test]
    fn every_name_is_a_property_of_a_defined_shape() {
        let schema = schema();
        let properties = &schema["$defs"]["section"]["properties"];
        for name in registry().names() {
            let reference = properties[name]["$ref"].as_str().expect("a shape");
            let path = reference.strip_prefix('#').expect("in this schema");
            assert!(schema.pointer(path).is_some_and(Value::is_object), "{name}: {reference}");
        }
    }

    #[test]
    fn properties_say_what_becomes_of_them() {
        let schema = schema();
        let properties = &schema["$defs"]["section"]["properties"];
        assert_eq!(
            properties["sample-flag"],
            json!({ "$ref": "#/$defs/flag", "description": "Do it." })
        );
        assert_eq!(
            properties["sample-mode"],
            json!({
                "$ref": "#/$defs/text",
                "description": "How to do it. It is not supported: use sample-flag.",
                "deprecated": true,
            })
        );
        let alias = properties["sample-pause"]["description"].as_str().expect("text");
        assert!(alias.ends_with(" Unit: seconds. The same as sample-wait."), "{alias}");
    }
}
