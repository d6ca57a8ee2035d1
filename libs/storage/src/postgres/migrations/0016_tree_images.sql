-- The tree image that an agent's rebuilding counts on, until its rows are loaded: one that was stopped goes on with it.
alter table recoveries add column image_id uuid;
-- Evidence, found while the service ran, that the database is older than its bucket: the next start rolls it forward.
alter table generations add column behind boolean not null default false;
