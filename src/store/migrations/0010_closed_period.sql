-- How periods of objectives ended, once their last buckets were final: one row for each, which a revision of its values
-- replaces. Never removed; some 500 bytes each.
CREATE TABLE closed_period (
    objective  TEXT NOT NULL,
    first_day  TEXT NOT NULL,
    last_day   TEXT NOT NULL,
    kpi        TEXT NOT NULL,
    labels     TEXT NOT NULL,
    outcome    TEXT NOT NULL CHECK (outcome IN ('reached', 'missed')),
    actual     REAL NOT NULL,
    revision   INTEGER NOT NULL,
    decided_at INTEGER NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (objective, first_day, last_day),
    CHECK (first_day <= last_day)
) STRICT, WITHOUT ROWID;
