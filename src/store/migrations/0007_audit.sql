-- What was done to the service and by whom, about 0.3 KiB each. `digest` covers the entry and the digest before it.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    by     TEXT,
    what   TEXT NOT NULL,
    detail TEXT NOT NULL,
    digest TEXT NOT NULL
) STRICT;
CREATE INDEX audit_at ON audit (at);
