//! Secrets: references in the configuration, values that can't be printed.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use secrecy::{ExposeSecret, SecretString};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A secret's value. Prints as `***`; its bytes are wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(value: String) -> Secret {
        Secret(value.into())
    }

    /// The value itself, for the one place that hands it to the outside.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

/// Secrets shorter than this would blank out ordinary words.
const SCRUBBED_CHARS_MIN: usize = 4;

/// What stands unescaped in an address: as RFC 3986 has it, as JavaScript does, and nothing but letters and digits.
const UNESCAPED: [&AsciiSet; 3] = [
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~'),
    &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'!')
        .remove(b'*')
        .remove(b'\'')
        .remove(b'(')
        .remove(b')'),
    NON_ALPHANUMERIC,
];

/// The text with every secret blanked, in each form that a server may quote it in.
pub fn scrub(text: &str, secrets: &[Secret]) -> String {
    let mut out = text.to_owned();
    for secret in secrets {
        let value = secret.expose();
        if value.chars().count() >= SCRUBBED_CHARS_MIN {
            for form in forms(value) {
                if out.contains(&form) {
                    out = out.replace(&form, "***");
                }
            }
        }
    }
    out
}

/// A secret as it is, in base64, in JSON (PHP escapes slashes too), in an address and in a form; longest first where one
/// holds another.
fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned(), STANDARD.encode(value)];
    let json = serde_json::Value::from(value).to_string();
    let json = &json[1..json.len() - 1];
    forms.extend([json.to_owned(), json.replace('/', "\\/")]);
    for set in UNESCAPED {
        let escaped = utf8_percent_encode(value, set).to_string();
        // Hexadecimal digits may be small letters.
        let small = lower_escapes(&escaped);
        for escaped in [escaped, small] {
            forms.extend([escaped.replace("%20", "+"), escaped]);
        }
    }
    forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
    forms
}

fn lower_escapes(escaped: &str) -> String {
    let mut pieces = escaped.split('%');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_at(piece.len().min(2));
        out.push('%');
        out.push_str(&digits.to_lowercase());
        out.push_str(rest);
    }
    out
}

/// Where a secret's value is found; the configuration never holds the value itself.
///
/// Written `{env: NAME}`, `{file: path}` or `{credential: name}` (systemd); with `expires: 2027-03-31` beside it, `check`
/// and `doctor` warn before that day, and a metric says when it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// The name of an environment variable.
    Env(String),
    /// A file that holds the value; a final line break is cut.
    File(PathBuf),
    /// The name of a credential that systemd hands over (`LoadCredential=`).
    Credential(String),
}

/// Turns a reference into its value; the configuration gives the real one.
pub type Resolver<'a> = &'a dyn Fn(&SecretRef) -> Result<Secret, String>;

/// Beside a reference: the day after which its value is worth nothing. Read by the configuration, for its warnings.
pub const EXPIRES: &str = "expires";

const THREE_FORMS: &str = "a secret is written {env: NAME}, {file: path} or {credential: name}, never as plain text";

impl<'de> Deserialize<'de> for SecretRef {
    /// By hand, so that a value written in plain is refused without being repeated in the message.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RefVisitor)
    }
}

struct RefVisitor;

impl<'de> Visitor<'de> for RefVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(THREE_FORMS)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<SecretRef, E> {
        Err(E::custom(THREE_FORMS))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<SecretRef, E> {
        Err(E::custom(THREE_FORMS))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<SecretRef, E> {
        Err(E::custom(THREE_FORMS))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<SecretRef, E> {
        Err(E::custom(THREE_FORMS))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        let mut found: Option<(String, SecretRef)> = None;
        while let Some(form) = map.next_key::<String>()? {
            if form == EXPIRES {
                let day: String = map.next_value()?;
                if day.parse::<jiff::civil::Date>().is_err() {
                    return Err(A::Error::custom(format!("`{EXPIRES}` is a day such as 2027-03-31, not `{day}`")));
                }
                continue;
            }
            if let Some((first, _)) = &found {
                let message = format!("`{first}` and `{form}` can't stand together: {THREE_FORMS}");
                return Err(A::Error::custom(message));
            }
            let reference = match form.as_str() {
                "env" => SecretRef::Env(map.next_value()?),
                "file" => SecretRef::File(map.next_value()?),
                "credential" => SecretRef::Credential(map.next_value()?),
                other => return Err(A::Error::custom(format!("unknown form of secret `{other}`: {THREE_FORMS}"))),
            };
            found = Some((form, reference));
        }
        found.map(|(_, reference)| reference).ok_or_else(|| A::Error::custom(THREE_FORMS))
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let form = |name: &str, about: &str| {
            schemars::json_schema!({
                "type": "object", "required": [name], "additionalProperties": false,
                "properties": {
                    name: { "type": "string", "description": about },
                    "expires": { "type": "string", "format": "date", "description": "Last day on which it is valid." },
                },
            })
        };
        let file = "A file that holds the value; a final line break is cut.";
        let forms = [
            form("env", "The name of an environment variable."),
            form("file", file),
            form("credential", "The name of a credential that systemd hands over (`LoadCredential=`)."),
        ];
        schemars::json_schema!({
            "description": "Where a secret's value is found; the configuration never holds the value itself.",
            "oneOf": forms,
        })
    }
}

/// `{env: NAME}`: says where the secret is, not what it is.
impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Env(name) => write!(f, "{{env: {name}}}"),
            SecretRef::File(path) => write!(f, "{{file: {}}}", path.display()),
            SecretRef::Credential(name) => write!(f, "{{credential: {name}}}"),
        }
    }
}

/// A setting that may be written in plain or kept secret, such as an address that carries a key.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Text {
    Plain(String),
    Secret(SecretRef),
}

impl Text {
    /// The value, wrapped: a plain address may carry a password too.
    pub fn resolve(&self, resolve: Resolver<'_>) -> Result<Secret, String> {
        match self {
            Text::Plain(text) => Ok(Secret::new(text.clone())),
            Text::Secret(reference) => resolve(reference),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text::Plain(text.to_owned())
    }
}

/// Shows where a secret is; hides plain text too, since addresses may carry passwords.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Text::Plain(_) => f.write_str("(text)"),
            Text::Secret(reference) => write!(f, "{reference}"),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, or a secret as {env: NAME}, {file: path} or {credential: name}")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text::Plain(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
                RefVisitor.visit_map(map).map(Text::Secret)
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let secret = generator.subschema_for::<SecretRef>();
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, secret] })
    }
}

#[cfg(test)]
mod tests {
    use super::{Secret, SecretRef, Text, scrub};

    fn check(json: &str, expected: Result<SecretRef, &str>) {
        match (serde_json::from_str::<SecretRef>(json), expected) {
            (Ok(found), Ok(wanted)) => assert_eq!(found, wanted),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error} lacks {part}"),
            (found, wanted) => panic!("{json}: {found:?}, expected {wanted:?}"),
        }
    }

    #[test]
    fn three_forms_and_nothing_else() {
        check(r#"{"env":"A"}"#, Ok(SecretRef::Env("A".into())));
        check(r#"{"file":"a/b"}"#, Ok(SecretRef::File("a/b".into())));
        check(r#"{"credential":"c"}"#, Ok(SecretRef::Credential("c".into())));
        check(r#""hunter2""#, Err("{env: NAME}, {file: path} or {credential: name}"));
        check("12", Err("{env: NAME}"));
        check(r#"{"vault":"x"}"#, Err("unknown form of secret `vault`"));
        check(r#"{"env":"A","file":"b"}"#, Err("can't stand together"));
        check("{}", Err("{env: NAME}"));
        let error = serde_json::from_str::<SecretRef>(r#""hunter2""#).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn text_is_plain_or_a_reference() {
        assert_eq!(serde_json::from_str::<Text>(r#""http://x""#).unwrap(), Text::from("http://x"));
        let secret: Text = serde_json::from_str(r#"{"env":"URL"}"#).unwrap();
        assert_eq!(secret, Text::Secret(SecretRef::Env("URL".into())));
        assert_eq!(format!("{:?} {secret:?}", Text::from("http://u:p@x")), "(text) {env: URL}");
    }
    #[test]
    fn secrets_are_blanked_also_in_base64() {
        let secrets = ["hunter22", "abc"].map(|text| Secret::new(text.to_owned()));
        assert_eq!(scrub("535 bad hunter22 aHVudGVyMjI= abc", &secrets), "535 bad *** *** abc");
        let odd = [Secret::new("a/b +\"é(%".into())];
        for quoted in [
            "a/b +\"é(%",
            r#"a/b +\"é(%"#,
            r#"a\/b +\"é(%"#,
            "a%2Fb%20%2B%22%C3%A9%28%25",
            "a%2fb%20%2b%22%c3%a9%28%25",
            "a%2Fb+%2B%22%C3%A9%28%25",
            "a%2Fb%20%2B%22%C3%A9(%25",
        ] {
            assert_eq!(scrub(&format!("<{quoted}>"), &odd), "<***>", "{quoted}");
        }
    }
}
