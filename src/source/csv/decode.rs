//! From bytes to text, and which character separates the cells.

use std::borrow::Cow;

use encoding_rs::{Encoding, WINDOWS_1252};

/// The text of a file: by its byte order mark, else the given encoding, else UTF-8, else Windows-1252.
pub(in crate::source) fn text<'a>(bytes: &'a [u8], given: Option<&'static Encoding>) -> Cow<'a, str> {
    if let Some((encoding, skip)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[skip..]).0;
    }
    match (given, std::str::from_utf8(bytes)) {
        (Some(encoding), _) => encoding.decode_without_bom_handling(bytes).0,
        (None, Ok(text)) => Cow::Borrowed(text),
        (None, Err(_)) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// Cuts lines off the top: those that the settings skip, and Excel's `sep=;`.
/// Returns the rest, the number of lines cut, and the delimiter that `sep=` names.
pub(super) fn body(text: &str, skip_lines: usize) -> (&str, usize, Option<u8>) {
    let mut rest = text;
    for _ in 0..skip_lines {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    if let Some((first, below)) = rest.split_once('\n')
        && let Some(&[delimiter]) = first.trim_end_matches('\r').strip_prefix("sep=").map(str::as_bytes)
    {
        return (below, skip_lines + 1, Some(delimiter));
    }
    (rest, skip_lines, None)
}

/// The delimiter that the most of the first lines hold equally often, quoted cells left out.
pub(super) fn delimiter(text: &str) -> u8 {
    const LINES_MAX: usize = 20;
    let lines: Vec<String> =
        text.lines().filter(|line| !line.trim().is_empty()).take(LINES_MAX).map(without_quoted).collect();
    let score = |delimiter: u8| {
        let count = |line: &String| line.bytes().filter(|byte| *byte == delimiter).count();
        let header = lines.first().map_or(0, count);
        let alike = lines.iter().filter(|line| header > 0 && count(line) == header).count();
        (alike, header)
    };
    // The last of equals wins: of a decimal comma and a semicolon that stand equally often, the semicolon.
    let best = [b'|', b',', b'\t', b';'].into_iter().max_by_key(|delimiter| score(*delimiter));
    best.filter(|delimiter| score(*delimiter).0 > 0).unwrap_or(b',')
}

fn without_quoted(line: &str) -> String {
    line.split('"').step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::{body, delimiter, text};

    #[test]
    fn encodings() {
        assert_eq!(text("été €".as_bytes(), None), "été €");
        assert_eq!(text(b"\xef\xbb\xbf\xc3\xa9", None), "é");
        assert_eq!(text(b"\xe9t\xe9 \x80 \xa01", None), "été € \u{a0}1");
        assert_eq!(text(b"\xff\xfea\0\xe9\0", None), "aé");
        assert_eq!(text(b"\xa4", Some(encoding_rs::ISO_8859_15)), "€");
        assert_eq!(text(b"", None), "");
    }

    #[test]
    fn delimiters() {
        for (table, expected) in [
            ("a;b\n1,5;2\n", b';'),
            ("a,b\n1,2\n", b','),
            ("a\tb\n1,5\t2,5\n", b'\t'),
            ("a|b|c\n1|2|3\n", b'|'),
            ("a;b;c\n1,5;2,5;3,5\n", b';'),
            ("date,total\n2026-01-01,\"1;2;3\"\n", b','),
            ("date;\"a,b,c\"\n2026-01-01;1,5\n", b';'),
            ("alone\n1\n", b','),
            ("", b','),
        ] {
            assert_eq!(delimiter(table) as char, expected as char, "{table}");
        }
    }

    #[test]
    fn lines_above_the_table() {
        assert_eq!(body("x\ny\na;b\n", 2), ("a;b\n", 2, None));
        assert_eq!(body("sep=;\r\na;b\n", 0), ("a;b\n", 1, Some(b';')));
        assert_eq!(body("x", 3), ("", 3, None));
    }
}
