-- What erasure, key rotation and checking need.

-- True for a piece of the key ledger that holds what it should not hold any more, an erased key or one that was wrapped anew
-- since: it is rewritten with the next collection, and dead then.
alter table objects add column stale boolean not null default false;

-- Which objects to read back next.
create index objects_checked on objects (tenant_id, checked_at nulls first) where state = 'live';
