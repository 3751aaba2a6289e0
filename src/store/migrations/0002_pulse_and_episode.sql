-- Alerts that go on firing, by the rule and KPI of their newest slot: `body` is a JSON list of the identity's digest, the
-- newest bucket and the figure watched. Some 40 bytes an alert, where writing the alert anew would take kilobytes.
CREATE TABLE pulse (
    kpi  TEXT NOT NULL,
    rule TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kpi, rule)
) STRICT, WITHOUT ROWID;

-- How often an alert that is no longer live has fired; the next time goes on counting.
CREATE TABLE alert_episode (
    alert   TEXT PRIMARY KEY,
    episode INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- When a dead delivery was last queued again: its patience counts from there. Null: never.
ALTER TABLE delivery ADD COLUMN requeued_at INTEGER;
