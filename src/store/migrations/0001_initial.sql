-- State of one Vigie service. Instants are whole milliseconds since 1970 (UTC); `body` columns hold JSON.
-- Nothing but `rejection` is pruned yet. Rough sizes: 35 bytes per observation (60 for ratios), 40 more per replaced
-- version, 1 to 3 KiB per live alert, 0.7 KiB per transition, 3 to 6 KiB per delivery (its message), 0.1 KiB per attempt.

-- Facts about this file: `epoch` (each write names the epoch it believes in) and `config_checksum`.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value ANY
) STRICT, WITHOUT ROWID;
INSERT INTO meta (name, value) VALUES ('epoch', 1);

-- One KPI with one set of labels; `labels` is a JSON object with sorted names, {} for the total.
CREATE TABLE series (
    id     INTEGER PRIMARY KEY,
    kpi    TEXT NOT NULL,
    labels TEXT NOT NULL,
    UNIQUE (kpi, labels)
) STRICT;

-- Newest version of each bucket. A null `value` is a ratio whose denominator was zero. `version` counts from 1 in
-- the order of arrival; `assumed`: known_at was not witnessed (catch-up, back-fill).
CREATE TABLE observation (
    series      INTEGER NOT NULL REFERENCES series (id),
    bucket      INTEGER NOT NULL,
    value       REAL,
    numerator   REAL,
    denominator REAL,
    n           REAL,
    provisional INTEGER NOT NULL,
    known_at    INTEGER NOT NULL,
    assumed     INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    PRIMARY KEY (series, bucket)
) STRICT, WITHOUT ROWID;

-- Versions that a newer one replaced.
CREATE TABLE observation_version (
    series      INTEGER NOT NULL REFERENCES series (id),
    bucket      INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    value       REAL,
    numerator   REAL,
    denominator REAL,
    n           REAL,
    provisional INTEGER NOT NULL,
    known_at    INTEGER NOT NULL,
    assumed     INTEGER NOT NULL,
    PRIMARY KEY (series, bucket, version)
) STRICT, WITHOUT ROWID;

-- Readings refused by validation: the newest 100 of each KPI.
CREATE TABLE rejection (
    id     INTEGER PRIMARY KEY,
    kpi    TEXT NOT NULL,
    origin TEXT NOT NULL,
    raw    TEXT NOT NULL,
    cause  TEXT NOT NULL,
    UNIQUE (kpi, origin, raw, cause)
) STRICT;

-- Live alerts. `alert` is the identity as one line, `id` its short public name.
CREATE TABLE alert (
    alert    TEXT PRIMARY KEY,
    id       TEXT NOT NULL,
    kpi      TEXT,
    phase    TEXT NOT NULL,
    severity TEXT NOT NULL,
    episode  INTEGER NOT NULL,
    since    INTEGER NOT NULL,
    slot     INTEGER NOT NULL,
    body     TEXT NOT NULL
) STRICT;

-- Every change in an alert's life, in the order of decisions (`seq`).
CREATE TABLE transition (
    seq        INTEGER PRIMARY KEY,
    alert      TEXT NOT NULL,
    alert_id   TEXT NOT NULL,
    kpi        TEXT,
    episode    INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    slot       INTEGER NOT NULL,
    from_phase TEXT NOT NULL,
    to_phase   TEXT NOT NULL,
    change     TEXT NOT NULL,
    severity   TEXT NOT NULL,
    value      REAL,
    body       TEXT NOT NULL,
    UNIQUE (alert, seq)
) STRICT;
CREATE INDEX transition_by_alert_id ON transition (alert_id, seq);
CREATE INDEX transition_by_kpi ON transition (kpi, seq);

-- How far each KPI has come.
CREATE TABLE kpi_clock (
    kpi          TEXT PRIMARY KEY,
    last_slot    INTEGER,
    pulled_to    INTEGER,
    last_pull_at INTEGER,
    last_error   TEXT,
    body         TEXT NOT NULL
) STRICT;

-- How each source is doing.
CREATE TABLE source_state (
    source     TEXT PRIMARY KEY,
    failures   INTEGER NOT NULL,
    last_ok    INTEGER,
    last_error TEXT,
    body       TEXT NOT NULL
) STRICT;

-- Notifications hidden for a while.
CREATE TABLE silence (
    id        TEXT PRIMARY KEY,
    starts_at INTEGER NOT NULL,
    ends_at   INTEGER NOT NULL,
    body      TEXT NOT NULL
) STRICT;

-- Notification groups: timers, and what each receiver was last told. `id` is the group's identity as JSON.
CREATE TABLE alert_group (
    id         TEXT PRIMARY KEY,
    receiver   TEXT NOT NULL,
    next_flush INTEGER,
    body       TEXT NOT NULL
) STRICT;

-- Decisions to tell one receiver something; `number` is the figure in `id`.
CREATE TABLE notification (
    id          TEXT PRIMARY KEY,
    number      INTEGER,
    alert_group TEXT NOT NULL,
    receiver    TEXT NOT NULL,
    at          INTEGER NOT NULL,
    reason      TEXT NOT NULL
) STRICT;
CREATE INDEX notification_by_number ON notification (number);

-- The alerts that a notification tells of.
CREATE TABLE notification_item (
    notification TEXT NOT NULL REFERENCES notification (id),
    position     INTEGER NOT NULL,
    alert        TEXT NOT NULL,
    alert_id     TEXT NOT NULL,
    episode      INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    slot         INTEGER NOT NULL,
    PRIMARY KEY (notification, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX notification_item_by_alert_id ON notification_item (alert_id);
CREATE INDEX notification_item_by_alert ON notification_item (alert);

-- The outbox: one row per notification and recipient. `state`: queued, sent, dead or cancelled. `attempting` is the
-- attempt under way. `note` says why it is dead or cancelled, or what the last attempt said. `body` is the message.
CREATE TABLE delivery (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    key             TEXT NOT NULL UNIQUE,
    notification    TEXT NOT NULL,
    receiver        TEXT NOT NULL,
    recipient       TEXT NOT NULL,
    thread_root     TEXT NOT NULL,
    thread_position INTEGER NOT NULL,
    reason          TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'dead', 'cancelled')),
    attempts        INTEGER NOT NULL,
    attempting      INTEGER,
    created_at      INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    sent_at         INTEGER,
    note            TEXT,
    body            TEXT NOT NULL
) STRICT;
CREATE INDEX delivery_queued ON delivery (receiver, recipient, thread_root, id, next_attempt_at, attempting)
    WHERE state = 'queued';
CREATE INDEX delivery_by_notification ON delivery (notification);

-- Each try at a delivery; its start is committed before the first byte leaves. `outcome` is null while under way, then
-- sent, retry, ambiguous, permanent, or unknown (the service stopped in between).
CREATE TABLE attempt (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery    INTEGER NOT NULL REFERENCES delivery (id),
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    outcome     TEXT,
    detail      TEXT
) STRICT;
CREATE INDEX attempt_by_delivery ON attempt (delivery);
CREATE INDEX attempt_open ON attempt (id) WHERE outcome IS NULL;
