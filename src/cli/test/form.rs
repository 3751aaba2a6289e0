//! How a test file reads.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::values::SeriesForm;

/// One file: what holds for all of its tests, and these.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileForm {
    #[serde(default)]
    pub script: Option<String>,
    #[serde(default)]
    pub timezone: Option<String>,
    #[serde(default)]
    pub language: Option<String>,
    #[serde(default)]
    pub start: Option<String>,
    #[serde(default)]
    pub calendar: Option<Value>,
    #[serde(default)]
    pub people: Option<Value>,
    #[serde(default)]
    pub kpi: Option<Value>,
    #[serde(default)]
    pub kpis: Option<Value>,
    #[serde(default)]
    pub objective: Option<Value>,
    #[serde(default)]
    pub objectives: Option<Value>,
    #[serde(default)]
    pub with: Option<Value>,
    #[serde(default)]
    pub rule: Option<Value>,
    #[serde(default)]
    pub receivers: Option<Value>,
    #[serde(default)]
    pub route: Option<Value>,
    #[serde(default)]
    pub events: Option<Value>,
    pub tests: Vec<TestForm>,
}

/// One test. What it says of the configuration stands over what its file says.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TestForm {
    pub name: String,
    #[serde(default)]
    pub timezone: Option<String>,
    #[serde(default)]
    pub language: Option<String>,
    #[serde(default)]
    pub start: Option<String>,
    #[serde(default)]
    pub calendar: Option<Value>,
    #[serde(default)]
    pub people: Option<Value>,
    #[serde(default)]
    pub kpi: Option<Value>,
    #[serde(default)]
    pub kpis: Option<Value>,
    #[serde(default)]
    pub objective: Option<Value>,
    #[serde(default)]
    pub objectives: Option<Value>,
    #[serde(default)]
    pub with: Option<Value>,
    #[serde(default)]
    pub rule: Option<Value>,
    #[serde(default)]
    pub receivers: Option<Value>,
    #[serde(default)]
    pub route: Option<Value>,
    #[serde(default)]
    pub events: Option<Value>,
    /// The total of the first KPI, or by series: `revenue`, `revenue{channel="web"}`, `{channel="web"}`.
    pub series: SeriesForms,
    #[serde(default)]
    pub happens: Vec<HappensForm>,
    pub expect: Vec<ExpectForm>,
}

/// Values of one series, or of several by name.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "series are values such as `100+2x30 _ 7`, a list, `{season: {length: 30, base: 100}}` or `{csv: FILE}`, or those of \
                 several series by name"
)]
pub(super) enum SeriesForms {
    One(SeriesForm),
    Many(IndexMap<String, SeriesForm>),
}

/// A moment: the number of a bucket (1 is the first), its name, a local time, or a time since the start (`3d`).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a moment is the number of a bucket, its name, a local time such as `2026-01-05 08:00`, or a time since the start \
                 such as `3d`"
)]
pub(super) enum AtForm {
    Number(i64),
    Text(String),
}

/// Something that happens beside the values.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HappensForm {
    /// When; of a bucket, just after its slot.
    pub at: AtForm,
    /// The source does not answer, from then up to `until`.
    #[serde(default)]
    pub outage: Option<String>,
    #[serde(default)]
    pub until: Option<AtForm>,
    /// The value of this bucket is not known before `at`.
    #[serde(default)]
    pub late: Option<AtForm>,
    /// The value of this bucket is another one from `at` on; `_`: it has none any more.
    #[serde(default)]
    pub revise: Option<AtForm>,
    #[serde(default)]
    pub value: Option<Value>,
    /// Of which series, where there are several.
    #[serde(default)]
    pub series: Option<String>,
    /// A person acknowledges the alerts that fire.
    #[serde(default)]
    pub ack: Option<String>,
    /// A person snoozes them, for so long.
    #[serde(default)]
    pub snooze: Option<String>,
    /// A person silences the rule, for so long.
    #[serde(default)]
    pub silence: Option<String>,
    /// The service ends and starts again.
    #[serde(default)]
    pub restart: bool,
}

/// What must hold at a moment. What is not named is not looked at.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectForm {
    /// When; of a bucket, just before the next slot.
    pub at: AtForm,
    /// Of which series, where the rule runs on several: labels as in `{channel="web"}`, or `revenue{...}`.
    #[serde(default)]
    pub series: Option<String>,
    #[serde(default)]
    pub objective: Option<String>,
    /// `ok`, `info`, `warning`, `critical`, `hold`, `no_data`, `failed`.
    #[serde(default)]
    pub verdict: Option<String>,
    /// Contained in the reason of a hold, of missing data or of a failure, in one of the languages.
    #[serde(default)]
    pub reason: Option<String>,
    /// The figure that the rule watches, equal to nine digits.
    #[serde(default)]
    pub value: Option<f64>,
    /// Contained in what the rule says.
    #[serde(default)]
    pub text: Option<Texts>,
    /// Contained in what it proposes, each in one of its proposals; `[]`: it proposes nothing.
    #[serde(default)]
    pub suggestions: Option<Vec<String>>,
    /// `inactive`, `pending`, `firing`, `resolved`.
    #[serde(default)]
    pub alert: Option<String>,
    #[serde(default)]
    pub severity: Option<String>,
    /// `breach` (the default), `no_data`, `failed`.
    #[serde(default)]
    pub aspect: Option<String>,
    #[serde(default)]
    pub frozen: Option<bool>,
    #[serde(default)]
    pub acknowledged: Option<bool>,
    #[serde(default)]
    pub snoozed: Option<bool>,
    /// All messages since the last `told` of the test, in their order; `[]`: none.
    #[serde(default)]
    pub told: Option<Vec<ToldForm>>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a text, or a list of texts")]
pub(super) enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Texts {
    pub(super) fn all(&self) -> &[String] {
        match self {
            Texts::One(text) => std::slice::from_ref(text),
            Texts::Many(texts) => texts,
        }
    }
}

/// A message.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToldForm {
    /// The receiver.
    #[serde(default)]
    pub to: Option<String>,
    /// `first`, `updated`, `escalated`, `deescalated`, `reminder`, `resolved`, `correction`.
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub subject: Option<String>,
    /// Contained in the mail's text.
    #[serde(default)]
    pub text: Option<Texts>,
    /// Not before and not after.
    #[serde(default)]
    pub after: Option<AtForm>,
    #[serde(default)]
    pub before: Option<AtForm>,
}
