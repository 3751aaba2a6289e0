//! People.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::unit::Language;

/// A person: an owner, a recipient.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPerson {
    /// Mail address. Needed to be a recipient. Example: `claire@example.test`.
    pub mail: Option<String>,
    /// Name shown in messages. Default: the id. Example: `Claire Martin`.
    pub name: Option<String>,
    /// Language of her messages: `fr` or `en`. Default: the top-level language.
    pub language: Option<Language>,
    /// Name of the calendar of her working days: dates that rules set by `workdays(n)` for what she owns count these.
    /// Default: none, the KPI's count. Example: `atelier`.
    pub calendar: Option<String>,
}
