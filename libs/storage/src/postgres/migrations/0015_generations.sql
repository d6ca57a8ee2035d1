-- How often the service has counted itself on, under the tenant of all zeros. The object store holds the last count too: where
-- it is ahead of this one, the database is older than the bucket.
create table generations (
  tenant_id uuid primary key,
  counter bigint not null
);
alter table generations enable row level security;
alter table generations force row level security;
create policy tenant_isolation on generations using (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
grant select, insert, update, delete on generations to agentfs_app;
