-- Records that are stored one by one: what compaction makes blocks of.
create index records_single on records (tenant_id, stream_id, epoch, seq) where block_id is null and object_id is not null;
