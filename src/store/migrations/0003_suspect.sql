-- Values that jumped: `state` is seen, asked, accepted, corrected, rejected, confirmed or withdrawn. `labels` is a JSON
-- object with sorted names, {} for the total. A bucket that is suspect again has a row of its own: what was decided
-- before is kept. Some 300 bytes each; there are few.
CREATE TABLE suspect (
    kpi    TEXT NOT NULL,
    labels TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    state  TEXT NOT NULL,
    since  INTEGER NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (kpi, labels, bucket, since)
) STRICT, WITHOUT ROWID;
