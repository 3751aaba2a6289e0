-- What rules found, slot by slot: the newest of each rule and KPI, for a quarter of a year at most. `body` names the series.
CREATE TABLE evaluation (
    rule    TEXT NOT NULL,
    kpi     TEXT NOT NULL,
    slot    INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    script  TEXT NOT NULL,
    config  TEXT NOT NULL,
    quiet   INTEGER NOT NULL,
    breach  INTEGER NOT NULL,
    held    INTEGER NOT NULL,
    no_data INTEGER NOT NULL,
    failed  INTEGER NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (rule, kpi, slot, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX evaluation_at ON evaluation (at);

-- What people said of alerts that fired; the newest word of each firing counts.
CREATE TABLE feedback (
    alert    TEXT NOT NULL,
    episode  INTEGER NOT NULL,
    rule     TEXT NOT NULL,
    given_at INTEGER NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (alert, episode)
) STRICT, WITHOUT ROWID;
