-- What compaction, retention, recovery and checking need.

-- Set where a version is the beginning of another one (appends): its content is the first `size` bytes of that version, it
-- has no manifest and no parts of its own, and `prefix_of` always names a version that has.
alter table versions add column prefix_of uuid;
-- Set where a record lies in a block with others: the block's id, to which its seal is bound; place and length are the block's.
alter table records add column block_id uuid;
-- When an object was last read back and found whole.
alter table objects add column checked_at timestamptz;

-- Which versions name a part; what stands in an object; what can be forgotten.
create index versions_parts on versions using gin (part_ids);
create index versions_object on versions (tenant_id, agent_id, object_id) where object_id is not null;
create index parts_object on parts (tenant_id, agent_id, object_id) where object_id is not null;
create index records_object on records (tenant_id, stream_id, object_id) where object_id is not null;
create index versions_prefix on versions (tenant_id, agent_id, prefix_of) where prefix_of is not null;
create index nodes_deleted on nodes (tenant_id, agent_id, deleted_at) where deleted_at is not null;
