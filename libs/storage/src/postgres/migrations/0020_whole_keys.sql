-- A look-up by a whole key must take the index that has all of it. While a table has no statistics, which is for about a minute
-- after a database begins, the planner counts one row for any two columns of a key too, and takes the index that was made last:
-- it read all names, or all versions, of an agent to find one.

-- Without the agent: of a name's key this index has the tenant alone, and rows read for nothing count for much.
drop index entries_node;
create index entries_node on entries (tenant_id, node_id);

-- Made after versions_seq, which begins alike.
alter table versions drop constraint versions_pkey;
alter table versions add constraint versions_pkey primary key (tenant_id, agent_id, version_id);
