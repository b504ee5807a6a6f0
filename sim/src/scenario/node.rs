//! What is wrong with a scenario file before its types are asked: another format, a key twice, a key without a value.

use std::collections::BTreeSet;

use super::FORMAT;
use super::error::Complaint;
use super::value::At;
use crate::tree::{Node, Value};

/// Looks at a whole file. What it finds would otherwise hide behind another complaint (a later format) or be taken for
/// "not written" (a key without a value).
pub(super) fn check(root: &Node) -> Result<(), Complaint> {
    check_keys(root)?;
    check_format(root)?;
    check_values(root)
}

/// Whether the file says that it is in the format this program reads.
fn check_format(root: &Node) -> Result<(), Complaint> {
    let Some(entries) = root.map() else { return Ok(()) };
    let Some(format) = root.get("format") else {
        let hint = format!("a scenario begins with `format: {FORMAT}`");
        let first = entries.first().map(|(key, _)| At::here((), key.at));
        return first.map_or(Ok(()), |first| Err(Complaint::at(&first, "`format` is missing", hint)));
    };
    match &format.value {
        Value::Number(written) | Value::Text(written) | Value::Flag(written)
            if *written != FORMAT.to_string() =>
        {
            let hint = format!("this program reads `format: {FORMAT}`");
            Err(Complaint::at(&At::here((), format.at), format!("format {written} is not known"), hint))
        }
        _ => Ok(()),
    }
}

/// Whether no key is written twice.
fn check_keys(node: &Node) -> Result<(), Complaint> {
    match &node.value {
        Value::List(items) => items.iter().try_for_each(check_keys),
        Value::Map(entries) => {
            let mut known = BTreeSet::new();
            entries.iter().try_for_each(|(key, value)| {
                if known.insert(&key.name) {
                    return check_keys(value);
                }
                let message = format!("`{}` is written twice", key.name);
                Err(Complaint::at(&At::here((), key.at), message, "leave one of them out"))
            })
        }
        Value::Null | Value::Flag(_) | Value::Number(_) | Value::Text(_) => Ok(()),
    }
}

/// Whether every key has a value: an empty one would count as not written.
fn check_values(node: &Node) -> Result<(), Complaint> {
    match &node.value {
        Value::Null | Value::Flag(_) | Value::Number(_) | Value::Text(_) => Ok(()),
        Value::List(items) => items.iter().try_for_each(check_values),
        Value::Map(entries) => entries.iter().try_for_each(|(key, value)| match &value.value {
            Value::Null => Err(Complaint::at(
                &At::here((), key.at),
                format!("`{}` has no value", key.name),
                "write one, or leave the key out; the texts `null` and `~` need quotes",
            )),
            _ => check_values(value),
        }),
    }
}
