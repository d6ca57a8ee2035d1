-- What stands in the bucket and how many versions there are, as last counted: figures for operators, so that nobody has to
-- count to look. Written by the chore `usage`; nothing depends on it.
create table storage_usage (
  tenant_id uuid not null references tenants (tenant_id),
  what text not null,                       -- a kind of object, 'checkpoint' or 'version'
  state text not null,                      -- of objects as in their rows; of versions staged, stored or beginning
  count bigint not null,
  bytes bigint not null,
  live_bytes bigint not null,               -- of them, bytes that rows point at
  measured_at timestamptz not null,
  primary key (tenant_id, what, state)
);
alter table storage_usage enable row level security;
alter table storage_usage force row level security;
create policy tenant_isolation on storage_usage using (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
grant select, insert, update, delete on storage_usage to agentfs_app;
-- Sums over all tenants; of one of them nothing but numbers.
create policy heads_read on storage_usage for select to agentfs_heads using (true);
grant select on storage_usage to agentfs_heads;
