//! Makes text from outside safe to stand in headers, logs and names: no controls, bounded.

/// Longest name made from a key; leaves room for a domain in a header line.
const TOKEN_CHARS_MAX: usize = 120;

/// One line without control or direction-changing characters, at most `chars_max` long.
pub(super) fn one_line(text: &str, chars_max: usize) -> String {
    let spaced = text.chars().map(|each| if matches!(each, '\n' | '\r' | '\t') { ' ' } else { each });
    cut(spaced.filter(|each| !is_hidden(*each)), chars_max).trim().to_owned()
}

/// Several lines, otherwise as [`one_line`].
pub(super) fn lines(text: &str, chars_max: usize) -> String {
    cut(text.chars().filter(|each| *each == '\n' || !is_hidden(*each)), chars_max)
}

/// Letters, digits, `.`, `_` and `-` only; two keys never give the same token, the same key always does.
pub(super) fn token(key: &str) -> String {
    let safe = |each: char| each.is_ascii_alphanumeric() || matches!(each, '.' | '_' | '-');
    if !key.is_empty() && key.len() <= TOKEN_CHARS_MAX && key.chars().all(safe) && !key.starts_with('.') {
        return key.to_owned();
    }
    let kept: String = key.chars().take(TOKEN_CHARS_MAX).map(|each| if safe(each) { each } else { '-' }).collect();
    let digest = ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
    let tail = digest.as_ref()[..8].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{}-{tail:016x}", kept.trim_matches(['-', '.']))
}

fn cut(chars: impl Iterator<Item = char>, chars_max: usize) -> String {
    let mut out: String = String::new();
    for (count, each) in chars.enumerate() {
        if count == chars_max {
            out.pop();
            out.push('…');
            break;
        }
        out.push(each);
    }
    out
}

/// C0, C1, and marks that reorder or hide what is shown.
fn is_hidden(each: char) -> bool {
    each.is_control()
        || matches!(each, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_controls_and_keep_words() {
        assert_eq!(one_line("a\r\nBcc: x\u{0}\u{85}é\u{202e}", 80), "a  Bcc: xé");
        assert_eq!(one_line("abcdef", 4), "abc…");
        assert_eq!(one_line("abcd", 4), "abcd");
        assert_eq!(lines("a\nb\u{7}\t", 80), "a\nb");
        assert_eq!(one_line("1\u{202f}234", 80), "1\u{202f}234");
    }

    #[test]
    fn tokens_are_safe_and_distinct() {
        assert_eq!(token("n12.direction-a_b"), "n12.direction-a_b");
        let one = token("n12/claire@example.test");
        assert!(one.starts_with("n12-claire-example.test-"), "{one}");
        assert_ne!(one, token("n12-claire@example.test"));
        assert_eq!(one, token("n12/claire@example.test"));
        assert!(token(&"x/".repeat(400)).len() < 150);
        assert!(!token("../x").contains('/') && !token("../x").starts_with('.'));
        assert!(!token("").is_empty());
    }
}
