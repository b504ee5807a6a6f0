//! The schema and the case files that are checked in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

/// Every case file, by name.
fn cases() -> BTreeMap<String, String> {
    let entries = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).expect("the cases are there");
        entries.map(|entry| entry.expect("a readable folder").path())
    };
    let cases = entries(scenarios().join("cases"))
        .flat_map(entries)
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let read = |path: PathBuf| {
        (path.display().to_string(), std::fs::read_to_string(&path).expect("a readable case"))
    };
    cases.map(read).collect()
}

#[test]
fn the_schema_beside_the_cases_is_current() {
    let path = scenarios().join("scenario.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, schema()).expect("the schema can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == schema(), "the schema is not current: run this test once with UPDATE_SCHEMA=1");
}

#[test]
fn every_case_is_a_sound_story_of_its_own() {
    let mut titles = BTreeMap::new();
    let cases = cases();
    assert!(cases.len() >= 22, "only {} cases", cases.len());
    for (file, text) in &cases {
        let scenario = Scenario::parse(file, text).unwrap_or_else(|error| panic!("{error}"));
        assert!(text.starts_with("# yaml-language-server: $schema=../../scenario.schema.json\n"), "{file}");
        assert!(scenario.why.len() > 40, "{file} does not say why it is there");
        assert!(!scenario.title.ends_with('.') && scenario.title.len() <= 80, "{file}: {}", scenario.title);
        assert_eq!(titles.insert(scenario.title.clone(), file), None, "{file} has the title of another");
        for step in &scenario.steps {
            let line = step.describe();
            assert!(!line.contains("horse") && !line.contains("  "), "{file}: {line}");
        }
    }
}

#[test]
fn the_schema_allows_every_case_and_the_starter() {
    let schema: Value = serde_json::from_str(&schema()).expect("the schema is JSON");
    for (file, text) in cases().into_iter().chain([("the starter".to_owned(), starter().to_owned())]) {
        if let Err(complaint) = conforms(&schema, &schema, &untyped(&text)) {
            panic!("{file}: {complaint}");
        }
    }
}

#[test]
fn the_schema_refuses_what_the_parser_refuses() {
    let schema: Value = serde_json::from_str(&schema()).expect("the schema is JSON");
    for steps in [
        "[]",
        "[{}]",
        "[{ poewr: on }]",
        "[{ power: onn }]",
        "[{ power: on, wait: 5s }]",
        "[{ phone: configure }]",
        "[{ phone: { configure: { ssid: A, passwrd: b } } }]",
        "[{ cloud: {} }]",
        "[{ link: {} }]",
        "[{ link: { partition: device } }]",
        "[{ link: { partition: all } }]",
        "[{ link: { partition: [device] } }]",
        "[{ link: { partition: [device, phone, device] } }]",
        "[{ link: { partition: { from: device } } }]",
        "[{ link: { heal: device } }]",
        "[{ arm: { power: off }, at: {} }]",
        "[{ arm: { power: off }, at: { frame: 1 } }]",
        "[{ arm: { power: off }, at: { state: running, frame: 1, to: device } }]",
        "[{ arm: { power: off, cut: { operation: 1 } }, at: { state: running } }]",
        "[{ expect: { device: }, within: 5s }]",
    ] {
        let text = format!("format: 1\ntitle: T\nsteps: {steps}\n");
        assert!(Scenario::parse("story.yaml", &text).is_err(), "the parser takes {steps}");
        assert!(conforms(&schema, &schema, &untyped(&text)).is_err(), "the schema takes {steps}");
    }
}

/// The file as an editor's YAML 1.2 reader sees it: `on` is a text.
fn untyped(text: &str) -> Value {
    let mut options = serde_saphyr::Options::default();
    options.strict_booleans = true;
    serde_saphyr::from_str_with_options(text, options).expect("the file is YAML")
}

/// Checks a value against the parts of JSON Schema that our schema uses, without formats and patterns.
fn conforms(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let Value::Object(rules) = schema else { return Ok(()) };
    for (rule, argument) in rules {
        let holds = match rule.as_str() {
            "$ref" => {
                let pointer =
                    argument.as_str().and_then(|text| text.strip_prefix('#')).expect("a local reference");
                conforms(root, root.pointer(pointer).expect("the reference exists"), value)?;
                true
            }
            "allOf" => {
                items(argument).iter().try_for_each(|part| conforms(root, part, value))?;
                true
            }
            "oneOf" => items(argument).iter().filter(|part| conforms(root, part, value).is_ok()).count() == 1,
            "type" if argument.is_array() => items(argument).iter().any(|name| has_type(name, value)),
            "type" => has_type(argument, value),
            "const" => argument == value,
            "enum" => items(argument).contains(value),
            "required" => {
                items(argument).iter().all(|key| value.get(key.as_str().unwrap_or_default()).is_some())
            }
            "minItems" => u64::try_from(items(value).len()).ok() >= argument.as_u64(),
            "maxItems" => u64::try_from(items(value).len()).ok() <= argument.as_u64(),
            "minProperties" => {
                value.as_object().is_none_or(|map| Some(map.len() as u64) >= argument.as_u64())
            }
            "properties" | "additionalProperties" => {
                members(root, rules, value)?;
                true
            }
            "items" => {
                items(value).iter().try_for_each(|item| conforms(root, argument, item))?;
                true
            }
            "minimum" => value.as_i64() >= argument.as_i64(),
            "maximum" => value.as_i64() <= argument.as_i64(),
            "$schema" | "definitions" | "description" | "title" | "default" | "examples" | "format"
            | "pattern" | "minLength" | "maxLength" | "propertyNames" | "patternProperties" => true,
            other => panic!("the schema uses `{other}`, which this test does not know"),
        };
        if !holds {
            return Err(format!("{value} breaks `{rule}: {argument}`"));
        }
    }
    Ok(())
}

fn members(root: &Value, rules: &serde_json::Map<String, Value>, value: &Value) -> Result<(), String> {
    let Value::Object(map) = value else { return Ok(()) };
    for (key, member) in map {
        match (rules.get("properties").and_then(|known| known.get(key)), rules.get("additionalProperties")) {
            (Some(schema), _) => conforms(root, schema, member)?,
            // A map by pins is written with `patternProperties`.
            (None, Some(Value::Bool(false))) if !rules.contains_key("patternProperties") => {
                return Err(format!("unknown key `{key}`"));
            }
            (None, Some(schema)) => conforms(root, schema, member)?,
            (None, None) => (),
        }
    }
    Ok(())
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn has_type(name: &Value, value: &Value) -> bool {
    match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        other => panic!("the schema uses the type {other:?}"),
    }
}
