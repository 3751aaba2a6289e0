//! Identities that cross modules: one newtype each, cheap to clone, ordered, printable.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    )+};
}

id! {
    /// A KPI of the configuration, or the period to date of one (`users@month`).
    KpiId,
    /// An objective of the configuration.
    ObjectiveId,
    /// A rule of the configuration (not its script).
    RuleId,
    /// An outside system that numbers are pulled from.
    SourceId,
    /// A person of the configuration.
    PersonId,
    /// A named way to reach persons or channels.
    ReceiverId,
    /// A silence, made up when it is created.
    SilenceId,
    /// The short public name of one alert, as people type it: a digest of its identity.
    AlertId,
    /// An event of the business: its name in the configuration, or made up when it is added.
    EventId,
}

/// Dimension values of one series, by sorted names; empty for the total. There may be very many: they are kept in
/// one block each.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[(Box<str>, Box<str>)]>);

impl KpiId {
    /// The KPI of the configuration.
    pub fn base(&self) -> &str {
        self.as_str().split_once(TO_DATE).map_or(self.as_str(), |(base, _)| base)
    }

    /// The period to date of a KPI.
    pub fn to_date(&self, period: &str) -> KpiId {
        KpiId::from(format!("{self}{TO_DATE}{period}"))
    }
}

impl ObjectiveId {
    /// The part of it for one value of a dimension: `revenue/web`.
    pub fn part(&self, value: &str) -> ObjectiveId {
        let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
        let value: String = value.to_lowercase().chars().map(plain).collect();
        ObjectiveId::from(format!("{self}{PART}{value}"))
    }

    /// The objective that it is a part of, by its id; none where it stands for itself.
    pub fn whole(&self) -> Option<&str> {
        self.as_str().split_once(PART).map(|(whole, _)| whole)
    }
}

/// Stands in no id of the configuration.
const PART: char = '/';

/// Stands in no id of the configuration.
const TO_DATE: char = '@';

impl Labels {
    /// The labels of the total series: none.
    pub fn total() -> Self {
        Self::default()
    }

    pub fn is_total(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// How many dimensions are named.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// These labels without the names that are not in the set.
    pub fn only(&self, names: &BTreeSet<String>) -> Labels {
        self.iter().filter(|(name, _)| names.contains(*name)).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// True when every pair of `wanted` stands in these labels with the same value.
    pub fn contains(&self, wanted: &Labels) -> bool {
        wanted.iter().all(|(name, value)| self.get(name) == Some(value))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let sorted: BTreeMap<String, String> = pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        Self(sorted.into_iter().map(|(name, value)| (name.into_boxed_str(), value.into_boxed_str())).collect())
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        BTreeMap::<String, String>::deserialize(input).map(Labels::from_iter)
    }
}

/// `{channel="web",region="Sud"}`; nothing for the total.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_total() {
            return Ok(());
        }
        f.write_str("{")?;
        for (i, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name}={value:?}", if i == 0 { "" } else { "," })?;
        }
        f.write_str("}")
    }
}

/// One KPI with one set of labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesKey {
    pub kpi: KpiId,
    #[serde(default, skip_serializing_if = "Labels::is_total")]
    pub labels: Labels,
}

impl SeriesKey {
    pub fn total(kpi: &KpiId) -> Self {
        Self { kpi: kpi.clone(), labels: Labels::total() }
    }
}

impl fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kpi, self.labels)
    }
}
