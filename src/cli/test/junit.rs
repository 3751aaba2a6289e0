//! The outcome as JUnit XML, which CI servers show.

use std::fmt::Write as _;

use super::{Outcome, Ran, lines};

pub(super) fn render(all: &[Ran]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for of_file in all.chunk_by(|a, b| a.file == b.file) {
        let failed = of_file.iter().filter(|ran| matches!(ran.outcome, Outcome::Failed(_))).count();
        let wrong = of_file.iter().filter(|ran| matches!(ran.outcome, Outcome::Wrong(_))).count();
        let seconds: f64 = of_file.iter().map(|ran| ran.took.as_secs_f64()).sum();
        let file = escaped(of_file.first().map_or("", |ran| ran.file.as_str()));
        line(
            &mut text,
            format_args!(
                "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{failed}\" errors=\"{wrong}\" time=\"{seconds:.3}\">",
                of_file.len()
            ),
        );
        for ran in of_file {
            let (name, time) = (escaped(&ran.name), ran.took.as_secs_f64());
            let element = match ran.outcome {
                Outcome::Passed => {
                    line(
                        &mut text,
                        format_args!("    <testcase classname=\"{file}\" name=\"{name}\" time=\"{time:.3}\"/>"),
                    );
                    continue;
                }
                Outcome::Failed(_) => "failure",
                Outcome::Wrong(_) => "error",
            };
            let said = escaped(&lines(&ran.outcome).join("\n"));
            line(
                &mut text,
                format_args!(
                    "    <testcase classname=\"{file}\" name=\"{name}\" time=\"{time:.3}\">\n      <{element} message=\"{element}\">{said}</{element}>\n    </testcase>"
                ),
            );
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    let written = writeln!(text, "{what}");
    debug_assert!(written.is_ok(), "a text grows");
}

/// Text of XML 1.0, which has no control characters but three.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}
