//! Rust code as far as these tests need it: words and where they stand, without comments and literals.

/// A file's code. Comments, strings and characters have become blanks, so that lines stay where they are.
pub(crate) struct Code(String);

impl Code {
    pub(crate) fn new(text: &str) -> Self {
        let mut code = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let len = blank_len(rest, code.chars().next_back());
            let taken = if len > 0 { len } else { first.len_utf8() };
            let (piece, after) = rest.split_at(taken);
            if len > 0 {
                code.extend(piece.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
            } else {
                code.push(first);
            }
            rest = after;
        }
        Self(code)
    }

    /// The code without the items that are compiled for tests only.
    pub(crate) fn without_tests(&self) -> Self {
        const MARK: &str = "#[cfg(test)]";
        let mut code = self.0.clone();
        while let Some(start) = code.find(MARK) {
            let len = MARK.len() + item_len(&code[start + MARK.len()..]);
            let blank: String =
                code[start..start + len].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
            code.replace_range(start..start + len, &blank);
        }
        Self(code)
    }

    /// The code without the lines that hold exactly this, but for what stands behind it.
    pub(crate) fn without_line(&self, start: &str) -> Self {
        let lines = self.0.lines().map(|line| if line.trim_start().starts_with(start) { "" } else { line });
        Self(lines.collect::<Vec<_>>().join("\n"))
    }

    /// The words that `is_wanted` wants, with the numbers of their lines.
    pub(crate) fn words_where(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<(usize, String)> {
        self.find(|line| {
            let words = line.split(|character: char| !is_word(character));
            words.filter(|word| is_wanted(word)).map(str::to_owned).collect()
        })
    }

    /// The paths that begin with one of these as whole words; white space inside a path is not expected.
    pub(crate) fn paths(&self, wanted: &[&str]) -> Vec<(usize, String)> {
        self.find(|line| {
            let wanted = wanted.iter().filter(|path| {
                line.match_indices(**path).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    let after = line[at + path.len()..].chars().next();
                    let ends = path.ends_with('{') || !after.is_some_and(is_word);
                    !before.is_some_and(is_word) && ends
                })
            });
            wanted.map(|path| (*path).to_owned()).collect()
        })
    }

    /// Numbers with a point.
    pub(crate) fn float_literals(&self) -> Vec<(usize, String)> {
        self.find(|line| {
            let points = line.match_indices('.').filter(|(at, _)| {
                let whole = line[..*at].chars().rev().take_while(|c| is_word(*c)).collect::<String>();
                let before = line[..*at - whole.len()].chars().next_back();
                let is_number = whole.chars().next_back().is_some_and(|c| c.is_ascii_digit());
                // A field of a field of a tuple, such as `pair.0.1`, has a point before its number, too.
                let follows = line[at + 1..].starts_with(|c: char| c.is_ascii_digit());
                is_number && follows && before != Some('.')
            });
            points.map(|(at, _)| format!("a float at column {}", at + 1)).collect()
        })
    }

    fn find(&self, in_line: impl Fn(&str) -> Vec<String>) -> Vec<(usize, String)> {
        let lines = self.0.lines().enumerate();
        lines.flat_map(|(n, line)| in_line(line).into_iter().map(move |found| (n + 1, found))).collect()
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// How long the comment or literal is that begins here; 0 when none does.
fn blank_len(text: &str, before: Option<char>) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment_len(text);
    }
    if text.starts_with('"') {
        return quoted_len(text, '"').unwrap_or(text.len());
    }
    if let Some(behind) = text.strip_prefix('\'') {
        // A lifetime has no second quote, or none behind one character.
        let character_len = quoted_len(text, '\'').unwrap_or(0);
        let is_character = behind.starts_with('\\') || text[..character_len].chars().count() == 3;
        return if is_character { character_len } else { 0 };
    }
    if before.is_some_and(is_word) {
        return 0;
    }
    raw_string_len(text).unwrap_or(0)
}

fn block_comment_len(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn quoted_len(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().skip(1).find_map(|(at, character)| {
        let ends = character == quote && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        ends.then_some(at + 1)
    })
}

fn raw_string_len(text: &str) -> Option<usize> {
    let behind = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let marks = behind.len() - behind.trim_start_matches('#').len();
    let content = behind[marks..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(marks));
    let len = content.find(&end)? + end.len();
    Some(text.len() - content.len() + len)
}

/// How long the item is that follows an attribute: up to its semicolon or its closing brace.
fn item_len(text: &str) -> usize {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '{' | '[' | '(' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' | ']' | ')' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn comments_and_literals_are_blank() {
    let text = "a // std\n/* std /* x */ std */ b \"std\\\" std\" r#\"std \" std\"# b'\\'' 'x' <'std> c";
    let words = Code::new(text).words_where(|word| !word.is_empty());
    let words: Vec<_> = words.iter().map(|(line, word)| (*line, word.as_str())).collect();
    assert_eq!(words, [(1, "a"), (2, "b"), (2, "b"), (2, "std"), (2, "c")]);
}

#[test]
fn items_for_tests_are_left_out() {
    let text =
        "a;\n#[cfg(test)]\nextern crate std;\nb;\n#[cfg(test)]\nmod tests {\n  fn f() { [1; 2] }\n}\nc";
    let words = Code::new(text).without_tests().words_where(|word| !word.is_empty());
    let words: Vec<_> = words.iter().map(|(line, word)| (*line, word.as_str())).collect();
    assert_eq!(words, [(1, "a"), (4, "b"), (9, "c")]);
}

#[test]
fn paths_are_whole_and_floats_are_numbers() {
    let code = Code::new("std::time::x; mystd::time; std::timer; use smoltcp::{a};");
    let found: Vec<_> = code.paths(&["std::time", "smoltcp::{"]).into_iter().map(|(_, path)| path).collect();
    assert_eq!(found, ["std::time", "smoltcp::{"]);
    let count = |text| Code::new(text).float_literals().len();
    assert_eq!(
        [count("1.5"), count("x(0.25_f)"), count("a.0.1"), count("0..5"), count("x1.y")],
        [1, 1, 0, 0, 0]
    );
}
