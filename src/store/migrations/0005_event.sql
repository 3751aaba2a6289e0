-- Events of the business that people added by command; those that were removed stay, for what was decided before.
CREATE TABLE event (
    id         TEXT PRIMARY KEY,
    known_at   INTEGER NOT NULL,
    removed_at INTEGER,
    body       TEXT NOT NULL
) STRICT, WITHOUT ROWID;
