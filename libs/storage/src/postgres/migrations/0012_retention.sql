-- What came after a look: whoever forgets parts has to know, under the agent's lock, what names them since.
create index versions_seq on versions (tenant_id, agent_id, seq);
create index parts_paged_seq on parts (tenant_id, agent_id, seq) where part_ids is not null;
-- What compaction looks through.
create index objects_live_segments on objects (tenant_id, stream_id, epoch, first_seq) where kind = 'segment' and state = 'live';
