//! What became of all cases as a JUnit file, which CI servers show: one test case for each scenario.

use std::fmt::Write;

use smoltcp::time::Duration;

/// What became of a case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It passed.
    Passed,
    /// Why it was not run.
    Skipped(String),
    /// It failed, or could not be judged.
    Failed(Failed),
}

/// Why a case failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failed {
    /// Whether the case could not be judged: the program crashed, or a snapshot cannot be read.
    pub is_error: bool,
    /// In one line.
    pub reason: String,
    /// The last events and the command that replays it.
    pub details: String,
}

/// A case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// The folder it stands in, with dots between names, by which servers group.
    pub class: String,
    /// By what it is known within its class.
    pub name: String,
    /// How long it took, in wall time.
    pub took: Duration,
    /// What became of it.
    pub verdict: Verdict,
}

/// The file: `suite` is the target, `properties` tell how to get the same again.
pub fn write(suite: &str, properties: &[(&str, String)], cases: &[Case]) -> String {
    let count = |of: fn(&Verdict) -> bool| cases.iter().filter(|case| of(&case.verdict)).count();
    let failures = count(|verdict| matches!(verdict, Verdict::Failed(Failed { is_error: false, .. })));
    let errors = count(|verdict| matches!(verdict, Verdict::Failed(Failed { is_error: true, .. })));
    let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
    let took = seconds(cases.iter().fold(Duration::ZERO, |sum, case| sum + case.took));
    let totals = format!(r#"tests="{}" failures="{failures}" errors="{errors}""#, cases.len());
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string does not fail.
    let _ = writeln!(xml, r#"<testsuites name="hil" {totals} time="{took}">"#);
    let suite = escaped(suite);
    let _ = writeln!(xml, r#"  <testsuite name="{suite}" {totals} skipped="{skipped}" time="{took}">"#);
    xml += "    <properties>\n";
    for (name, value) in properties {
        let _ = writeln!(xml, r#"      <property name="{name}" value="{}"/>"#, escaped(value));
    }
    xml += "    </properties>\n";
    cases.iter().for_each(|case| write_case(case, &mut xml));
    xml += "  </testsuite>\n</testsuites>\n";
    xml
}

fn write_case(case: &Case, xml: &mut String) {
    let Case { class, name, took, verdict } = case;
    let (class, name, took) = (escaped(class), escaped(name), seconds(*took));
    let _ = write!(xml, r#"    <testcase classname="{class}" name="{name}" time="{took}""#);
    let _ = match verdict {
        Verdict::Passed => writeln!(xml, "/>"),
        Verdict::Skipped(why) => {
            writeln!(xml, ">\n      <skipped message=\"{}\"/>\n    </testcase>", escaped(why))
        }
        Verdict::Failed(Failed { is_error, reason, details }) => {
            let kind = if *is_error { "error" } else { "failure" };
            let (reason, details) = (escaped(reason), escaped(details));
            writeln!(
                xml,
                ">\n      <{kind} message=\"{reason}\" type=\"{kind}\">{details}</{kind}>\n    </testcase>"
            )
        }
    };
}

/// The schema of JUnit files that Jenkins and Maven have takes three decimals at most.
fn seconds(time: Duration) -> String {
    let ms = time.total_millis();
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

/// A text as it may stand between tags and between quotation marks (XML 1.0 sections 2.2 and 2.4).
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\t' | '\n' => safe.push(character),
            '\u{FFFE}' | '\u{FFFF}' => safe.push(char::REPLACEMENT_CHARACTER),
            other if other.is_control() => safe.push(char::REPLACEMENT_CHARACTER),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_is_told_with_what_became_of_it() {
        let case = |name: &str, verdict| Case {
            class: "cases.setup".to_owned(),
            name: name.to_owned(),
            took: Duration::from_micros(1_250_000),
            verdict,
        };
        let failed = |is_error, reason: &str| {
            let (reason, details) = (reason.to_owned(), "replay \"it\"\n\u{1B}".to_owned());
            Verdict::Failed(Failed { is_error, reason, details })
        };
        let cases = [
            case("good", Verdict::Passed),
            case("one-board", Verdict::Skipped("1 < 2".to_owned())),
            case("bad", failed(false, "a & b")),
            case("worse", failed(true, "boom")),
        ];
        let expected = "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites name=\"hil\" tests=\"4\" failures=\"1\" errors=\"1\" time=\"5.000\">
  <testsuite name=\"sim\" tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\" time=\"5.000\">
    <properties>
      <property name=\"seed\" value=\"1\"/>
    </properties>
    <testcase classname=\"cases.setup\" name=\"good\" time=\"1.250\"/>
    <testcase classname=\"cases.setup\" name=\"one-board\" time=\"1.250\">
      <skipped message=\"1 &lt; 2\"/>
    </testcase>
    <testcase classname=\"cases.setup\" name=\"bad\" time=\"1.250\">
      <failure message=\"a &amp; b\" type=\"failure\">replay &quot;it&quot;\n\u{FFFD}</failure>
    </testcase>
    <testcase classname=\"cases.setup\" name=\"worse\" time=\"1.250\">
      <error message=\"boom\" type=\"error\">replay &quot;it&quot;\n\u{FFFD}</error>
    </testcase>
  </testsuite>
</testsuites>
";
        assert_eq!(write("sim", &[("seed", "1".to_owned())], &cases), expected);
    }
}
