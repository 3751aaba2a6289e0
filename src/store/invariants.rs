//! What must hold of what is stored, asked of the database itself.

use super::error::Failure;
use super::open::Store;
use crate::model::ids::ReceiverId;
use crate::store::StoreError;

/// Places that are named of one invariant that does not hold.
const NAMED_MAX: usize = 5;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The sentence that should be true.
    pub invariant: &'static str,
    /// Some of the places where it is not.
    pub places: Vec<String>,
}

/// Each with a query of the places where it does not hold. `?1` holds the receivers of the configuration.
const INVARIANTS: [(&str, &str); 8] = [
    (
        "a delivery that was sent has an attempt that succeeded",
        "SELECT 'delivery ' || id FROM delivery AS d WHERE state = 'sent' AND (sent_at IS NULL OR NOT EXISTS \
             (SELECT 1 FROM attempt AS a WHERE a.delivery = d.id AND a.outcome = 'sent')) AND ?1 IS NOT NULL",
    ),
    (
        "a delivery that is dead or cancelled says why",
        "SELECT 'delivery ' || id FROM delivery WHERE state IN ('dead', 'cancelled') AND coalesce(note, '') = '' \
             AND ?1 IS NOT NULL",
    ),
    (
        "a delivery succeeds once",
        "SELECT 'delivery ' || delivery FROM attempt WHERE outcome = 'sent' AND ?1 IS NOT NULL GROUP BY delivery \
             HAVING count(*) > 1",
    ),
    (
        "an attempt without outcome is the one under way",
        "SELECT 'attempt ' || a.id FROM attempt AS a JOIN delivery AS d ON d.id = a.delivery \
             WHERE a.outcome IS NULL AND d.attempting IS NOT a.id AND ?1 IS NOT NULL",
    ),
    (
        "a recipient is told once of one notification",
        "SELECT 'notification ' || notification || ' to ' || recipient FROM delivery WHERE ?1 IS NOT NULL \
             GROUP BY notification, receiver, recipient HAVING count(*) > 1",
    ),
    (
        "each change of an alert begins where the one before ended",
        "SELECT 'change ' || seq || ' of ' || alert FROM ( \
             SELECT seq, alert, from_phase, lag(to_phase) OVER (PARTITION BY alert ORDER BY seq) AS before FROM transition) \
             WHERE before <> from_phase AND NOT (before = 'resolved' AND from_phase = 'inactive') AND ?1 IS NOT NULL",
    ),
    (
        "an alert is where its last change left it",
        "SELECT 'alert ' || a.id FROM alert AS a WHERE ?1 IS NOT NULL AND a.phase <> \
             (SELECT to_phase FROM transition AS t WHERE t.alert = a.alert ORDER BY seq DESC LIMIT 1)",
    ),
    (
        "who was told of an alert is told of its end",
        "SELECT 'alert ' || alert_id || ' to ' || receiver FROM ( \
             SELECT i.alert, i.alert_id, i.reason, n.receiver, row_number() OVER ( \
                 PARTITION BY i.alert, n.receiver ORDER BY n.rowid DESC, i.position DESC) AS place \
             FROM notification AS n CROSS JOIN notification_item AS i ON i.notification = n.id) \
         WHERE place = 1 AND reason NOT IN ('resolved', 'correction', 'test') \
             AND receiver IN (SELECT value FROM json_each(?1)) AND alert NOT IN (SELECT alert FROM alert)",
    ),
];

impl Store {
    /// What does not hold, as of one moment; `receivers` are those of the configuration: who is gone is told no ends.
    pub async fn violations(&self, receivers: &[&ReceiverId]) -> Result<Vec<Violation>, StoreError> {
        let read = async {
            let receivers = serde_json::to_string(receivers)?;
            let mut tx = self.inner.readers.begin().await?;
            let mut found = Vec::new();
            for (invariant, sql) in INVARIANTS {
                let mut places: Vec<String> =
                    sqlx::query_scalar(sql).bind(&receivers).fetch_all(&mut *tx).await.map_err(Failure::from)?;
                if !places.is_empty() {
                    let more = places.len().saturating_sub(NAMED_MAX);
                    places.truncate(NAMED_MAX);
                    if more > 0 {
                        places.push(format!("{more} more"));
                    }
                    found.push(Violation { invariant, places });
                }
            }
            Ok(found)
        };
        self.explained(read.await)
    }

    /// The newest instant at which anything was written; none in a state that is new.
    pub async fn newest_instant(&self) -> Result<Option<jiff::Timestamp>, StoreError> {
        let read = async {
            let found: Option<i64> = sqlx::query_scalar(NEWEST_INSTANT).fetch_one(&self.inner.readers).await?;
            found.map(super::observations::instant).transpose()
        };
        self.explained(read.await)
    }
}

/// The newest instant that a database knows of.
pub(super) const NEWEST_INSTANT: &str = "SELECT max(at) FROM (SELECT max(last_pull_at) AS at FROM kpi_clock \
    UNION ALL SELECT max(at) FROM transition UNION ALL SELECT max(created_at) FROM delivery \
    UNION ALL SELECT max(started_at) FROM attempt)";
