//! The JSON Schema of the policy file, made from the types that read it.

use alloc::{borrow::ToOwned as _, string::String};

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::policy::Policy;

/// The JSON Schema (draft 2020-12) of a policy. Its keys are sorted: equal types give equal text.
pub fn schema() -> Value {
    let mut schema: Value = SchemaGenerator::default().into_root_schema_for::<Policy>().into();
    without_null(&mut schema);
    let properties = schema.get("properties").cloned().unwrap_or_default();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("title".to_owned(), "Bartizan policy".into());
        complete_profiles(schema, properties);
    }
    schema
}

/// [`schema`], as the text to be checked in.
pub fn schema_text() -> String {
    alloc::format!("{:#}\n", schema())
}

/// TOML has no null: what is optional is left out.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => {
            items.retain(|item| *item != "null" && item.get("type") != Some(&"null".into()));
            items.iter_mut().for_each(without_null);
        }
        Value::Object(object) => {
            object.retain(|keyword, value| keyword != "default" || !value.is_null());
            object.values_mut().for_each(without_null);
            if let Some(Value::Array(types)) = object.get_mut("type")
                && types.len() == 1
            {
                let only = types.remove(0);
                object.insert("type".to_owned(), only);
            }
            if let Some(Value::Array(choices)) = object.get_mut("anyOf")
                && choices.len() == 1
                && let Value::Object(only) = choices.remove(0)
            {
                object.remove("anyOf");
                only.into_iter().for_each(|(keyword, value)| {
                    object.entry(keyword).or_insert(value);
                });
            }
        }
        _ => {}
    }
}

/// An overlay takes the keys of a policy, none of which it must have.
fn complete_profiles(schema: &mut Map<String, Value>, mut properties: Value) {
    if let Some(properties) = properties.as_object_mut() {
        properties.remove("profile");
    }
    let overlay = json!({
        "description": "An overlay: what it names is merged into the policy, or replaces what is there.",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        definitions.insert("Overlay".to_owned(), overlay);
    }
    if let Some(profile) = schema.get_mut("properties").and_then(|properties| properties.get_mut("profile")) {
        *profile = json!({
            "description": "Overlays, chosen by name.",
            "type": "object",
            "additionalProperties": { "$ref": "#/$defs/Overlay" },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_editors_complete() {
        let schema = schema();
        let at = |pointer: &str| schema.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(at("/$schema"), "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(at("/title"), "Bartizan policy");
        assert_eq!(at("/required"), json!(["version"]));
        assert_eq!(at("/additionalProperties"), false);
        assert_eq!(at("/properties/route/items/$ref"), "#/$defs/RouteConfig");
        assert_eq!(at("/$defs/RouteConfig/required"), json!(["match"]));
        assert!(at("/$defs/RouteConfig/properties/require").is_object());
        assert!(at("/$defs/Overlay/properties/origin").is_object());
        assert!(at("/$defs/Overlay/properties/profile").is_null());
        assert_eq!(at("/properties/profile/additionalProperties/$ref"), "#/$defs/Overlay");
        assert_eq!(at("/properties/session/$ref"), "#/$defs/SessionConfig");
        assert_eq!(at("/$defs/ServerConfig/properties/listen/type"), "string");
        assert!(!schema_text().contains("null"));
    }
}
