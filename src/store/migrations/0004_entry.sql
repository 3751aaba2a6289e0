-- Figures that people entered by hand, all of them; the newest of a period and labels is the one that counts. `value` is
-- null for a ratio whose denominator was zero, `body` holds the rest (numerator and denominator, note).
CREATE TABLE entry (
    id         INTEGER PRIMARY KEY,
    kpi        TEXT NOT NULL,
    labels     TEXT NOT NULL,
    period     TEXT NOT NULL,
    value      REAL,
    entered_by TEXT NOT NULL,
    entered_at INTEGER NOT NULL,
    body       TEXT NOT NULL,
    UNIQUE (kpi, labels, period, entered_at, body)
) STRICT;
