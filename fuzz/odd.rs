//! Values that a language allows and that mostly should not be there: whoever reads it has code for each of them, and
//! some of it once for every type. Bytes that change one at a time seldom become one.

/// What YAML can say in the place of a value, and mostly should not: the reader has code for each, once for every type.
pub(crate) const YAML: [&str; 48] = [
    "null",
    "~",
    "",
    "!!str x",
    "!!str",
    "!!int \"1\"",
    "!!int x",
    "!!null x",
    "!!null",
    "!!bool y",
    "!!float 1",
    "!!binary aGk=",
    "!!map {}",
    "!!seq []",
    "!!set { a }",
    "!on y",
    "!x { a: b }",
    "!x [a]",
    "!x",
    "&a x",
    "&a { b: c }",
    "*a",
    "[a, b]",
    "[[[[[[]]]]]]",
    "{ a: b }",
    "{ a }",
    "{ on: }",
    "{ ? [a] : b }",
    "{ <<: { power: on } }",
    "{ <<: *a }",
    "{ power: on, power: off }",
    "{ \"\": x }",
    "{ null: x }",
    "{ 1: x }",
    "{ !!str 1: x }",
    "{ *a : x }",
    "'q'",
    "\"\\x41\\u0041\\n\"",
    "0x1F",
    "0o17",
    "1_000",
    ".inf",
    "1e400",
    "99999999999999999999",
    "2026-11-30",
    "True",
    "yes",
    "-0",
];

/// The same of JSON, and what is just not JSON.
pub(crate) const JSON: [&str; 32] = [
    "null",
    "true",
    "fals",
    "-1",
    "-0",
    "-",
    "01",
    "1.",
    "1.5",
    "1e3",
    "1e400",
    "-1e-400",
    "1e+",
    "99999999999999999999",
    "9007199254740993.0",
    "[]",
    "[1,[2]]",
    "[[[[[[[[",
    "{}",
    r#"{"a":1,"a":2}"#,
    r#"{"at_us":0}"#,
    "{1:2}",
    r#""""#,
    r#""\u0041\ud83d\ude00\b\f\n\r\t\/\\\"""#,
    r#""\ud800""#,
    r#""\ud800\u0041""#,
    r#""\udc00""#,
    r#""\q""#,
    r#""\u00g0""#,
    "\"\u{1}\"",
    r#""open"#,
    "",
];

/// The same of TOML.
pub(crate) const TOML: [&str; 32] = [
    "true",
    "tru",
    "-1",
    "+1",
    "-0",
    "01",
    "1_0",
    "1__0",
    "0x1F",
    "0o17",
    "0b11",
    "0xg",
    "1.5",
    "1.",
    "1e3",
    "inf",
    "-nan",
    "99999999999999999999",
    "1979-05-27T07:32:00Z",
    "1979-05-27 07:32:00.5-07:00",
    "1979-13-01",
    "07:32:00",
    "[]",
    r#"[1, "a", [2]]"#,
    "{}",
    "{ a = 1, b.c = 2 }",
    "{ a = 1, a = 2 }",
    "'raw'",
    "\"\"\"\n a \\\n  b \\u0041\"\"\"",
    "'''a'''",
    r#""\q""#,
    r#""open"#,
];

/// The text with one of these in the place of some value. `seed` decides which, and where.
pub(crate) fn with_odd_value(text: &str, seed: u32, oddities: &[&str]) -> Option<String> {
    // JSON as it is mostly written has no space behind its marks.
    let marks = [": ", ":", "= ", "- ", ", ", ",", "[", "{"];
    let places: Vec<usize> =
        marks.iter().flat_map(|mark| text.match_indices(mark).map(|(at, mark)| at + mark.len())).collect();
    let seed = usize::try_from(seed).ok()?;
    let at = *places.get(seed % places.len().max(1))?;
    let odd = oddities.get(seed / places.len() % oddities.len())?;
    let value = text[at..].find([',', '}', ']', '\n']).map_or(text.len(), |len| at + len);
    Some(format!("{} {odd}{}", &text[..at], &text[value..]))
}
