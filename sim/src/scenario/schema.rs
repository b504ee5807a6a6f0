//! The JSON Schema of a scenario file, for editors.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::Document;

/// The schema as pretty JSON with a newline at the end; `scenarios/scenario.schema.json` holds it.
pub fn schema() -> String {
    // Editors' YAML servers know draft 7 best.
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Document>();
    let mut text = serde_json::to_string_pretty(&tidied(schema.to_value())).expect("a value is always JSON");
    text.push('\n');
    text
}

/// Sorts keys, whatever the features of the JSON crate, and takes out `null`: a key without a value is an
/// error in a scenario, while a derived schema allows it for every optional key.
fn tidied(value: Value) -> Value {
    match value {
        Value::Object(map) => tidied_object(map),
        Value::Array(items) => Value::Array(items.into_iter().map(tidied).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn tidied_object(map: Map<String, Value>) -> Value {
    let null_type = serde_json::json!({ "type": "null" });
    let mut entries: Vec<(String, Value)> = Vec::new();
    for (key, value) in map {
        match (key.as_str(), value) {
            ("anyOf", Value::Array(mut options)) if options.contains(&null_type) => {
                options.retain(|option| *option != null_type);
                match <[Value; 1]>::try_from(options) {
                    // Draft 7 ignores what stands beside `$ref`, so a description needs it wrapped.
                    Ok(only) => entries.push(("allOf".to_owned(), tidied(Value::Array(only.into())))),
                    Err(several) => entries.push((key, tidied(Value::Array(several)))),
                }
            }
            ("type", Value::Array(mut types)) if types.contains(&Value::from("null")) => {
                types.retain(|name| *name != "null");
                let only = if types.len() == 1 { types.pop() } else { None };
                entries.push((key, only.unwrap_or(Value::Array(types))));
            }
            ("default", Value::Null) => {}
            (_, value) => entries.push((key, tidied(value))),
        }
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Value::Object(entries.into_iter().collect())
}
