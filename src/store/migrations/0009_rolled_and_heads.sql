-- What buckets finer than a day came to that are no longer kept, by series and civil day (days since 1970) of the KPI's
-- zone: how many had a value, what they add up to, the extremes, the last of them, the sums of their halves, and when the
-- last became known. Extremes and last are null where no value was defined. About 60 bytes each.
CREATE TABLE rolled (
    series      INTEGER NOT NULL REFERENCES series (id),
    day         INTEGER NOT NULL,
    buckets     INTEGER NOT NULL,
    total       REAL NOT NULL,
    low         REAL,
    high        REAL,
    last        REAL,
    numerator   REAL,
    denominator REAL,
    n           REAL,
    known_at    INTEGER NOT NULL,
    PRIMARY KEY (series, day)
) STRICT, WITHOUT ROWID;

-- The groups of the outbox in the order in which each look takes their heads, without sorting the queue.
DROP INDEX delivery_queued;
CREATE INDEX delivery_queued ON delivery
    (receiver, recipient, substr(thread_root, 1, instr(thread_root || '.', '.')), id, next_attempt_at, attempting)
    WHERE state = 'queued';
