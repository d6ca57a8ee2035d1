-- The tombstone of a whole tenant stands under the tenant's own id, and beats every key of it. It carries the sealed record of
-- who erased it: nothing else of the tenant can tell any more.
alter table tombstones add column record bytea;
