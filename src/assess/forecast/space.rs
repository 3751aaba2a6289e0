//! In which space a forecaster adds: in the values themselves, or where what grows or swings by shares is a sum.

/// How values become those that are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    Plain,
    Logarithm,
    /// In place of the logarithm where values are zero; it makes the spread of counts even.
    Root,
}

impl Space {
    /// Those that fit a history with this lowest value.
    pub(super) fn fitting(low: f64) -> &'static [Space] {
        if low > 0.0 {
            &[Space::Plain, Space::Logarithm]
        } else if low == 0.0 {
            &[Space::Plain, Space::Root]
        } else {
            &[Space::Plain]
        }
    }

    pub(super) fn enter(self, value: f64) -> f64 {
        match self {
            Space::Plain => value,
            Space::Logarithm => value.ln(),
            Space::Root => value.max(0.0).sqrt(),
        }
    }

    pub(super) fn leave(self, value: f64) -> f64 {
        match self {
            Space::Plain => value,
            Space::Logarithm => value.exp(),
            Space::Root => value.max(0.0).powi(2),
        }
    }

    pub(super) fn prefix(self) -> &'static str {
        match self {
            Space::Plain => "",
            Space::Logarithm => "log ",
            Space::Root => "root ",
        }
    }
}
