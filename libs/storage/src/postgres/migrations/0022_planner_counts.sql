-- The planner multiplies the shares of tenant and agent as if neither said anything of the other. Of many agents it so counts one
-- row for each, however many there are, takes any index that begins with the two for as good as a whole key, and joins by
-- reading all rows of the agent for each id. Told that an agent says which tenant, and that there are few of either, it counts for
-- each what the largest has. A table takes this up when it is analyzed. A distributed database may refuse the latter once its
-- tables are distributed.
do $$
declare
  it record;
begin
  for it in
    select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and not a.attisdropped
      and a.attname in ('agent_id', 'stream_id')
      and exists (select from pg_attribute t where t.attrelid = c.oid and t.attname = 'tenant_id')
  loop
    execute format('create statistics %I (dependencies) on tenant_id, %I from %I',
      it.relname || '_' || it.attname, it.attname, it.relname);
  end loop;
end $$;

do $$
declare
  it record;
begin
  for it in
    select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and not a.attisdropped
      and a.attname in ('tenant_id', 'agent_id', 'stream_id')
  loop
    execute format('alter table %I alter column %I set (n_distinct = 4)', it.relname, it.attname);
  end loop;
exception when feature_not_supported then
  raise notice 'the planner is left to count tenants and agents by itself';
end $$;
