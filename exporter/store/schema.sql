-- Schema 1 of the store, created in one transaction. `_at` columns are Unix seconds.
BEGIN IMMEDIATE;

PRAGMA application_id = 0x534d5342; -- "SMSB"
PRAGMA user_version = 1;

-- No secondary index: the schedule lives in memory, and an index halves the rate of commits.
CREATE TABLE in_flight (
    seq INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    id TEXT NOT NULL,
    channel TEXT NOT NULL,
    labels TEXT NOT NULL,
    sent_at REAL NOT NULL,
    accepted_at REAL NOT NULL,
    ttl REAL NOT NULL, -- seconds; Inf for none
    traceparent TEXT,
    status INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    in_flight_at REAL NOT NULL,
    answered_at REAL NOT NULL,
    other_at REAL NOT NULL,
    flags INTEGER NOT NULL, -- 1 matured, 2 listed, 32 sampled
    polls INTEGER NOT NULL
) STRICT;

-- Rows are appended as messages end, so the lowest rowids are the oldest: no index on the time is needed.
CREATE TABLE finished (
    account TEXT NOT NULL,
    id TEXT NOT NULL,
    finished_at REAL NOT NULL,
    listed INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (account, id)
) STRICT;

CREATE INDEX finished_listed ON finished (account, id) WHERE listed = 1;

CREATE TABLE totals (
    metric TEXT NOT NULL,
    labels TEXT NOT NULL,
    value TEXT NOT NULL,
    touched_at REAL NOT NULL,
    PRIMARY KEY (metric, labels)
) STRICT, WITHOUT ROWID;

-- The time comes first, so that old slices are deleted without looking at the others.
CREATE TABLE windows (
    slice_at REAL NOT NULL,
    metric TEXT NOT NULL,
    labels TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (slice_at, metric, labels)
) STRICT, WITHOUT ROWID;

-- How far each source of messages has been read; stored together with what was read.
CREATE TABLE positions (
    key TEXT PRIMARY KEY,
    text TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What is kept of few messages in flight only: ends that webhooks announced, steps of those that are traced.
CREATE TABLE notes (
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (seq, kind)
) STRICT, WITHOUT ROWID;

-- The highest sequence number ever given out; it outlives the rows of in_flight.
CREATE TABLE numbering (
    last_seq INTEGER NOT NULL
) STRICT;

INSERT INTO numbering (last_seq) VALUES (0);

COMMIT;
