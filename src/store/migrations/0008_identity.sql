-- Tells this file from others: a log that lies beside it may be another's. Copies are given an identity of their own.
INSERT INTO meta (name, value) VALUES ('identity', lower(hex(randomblob(16))));
