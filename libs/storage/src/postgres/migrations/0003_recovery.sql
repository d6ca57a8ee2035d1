-- How far a rebuilding of a stream from the object store is; a row under the tenant of all zeros stands for the whole. What is
-- folded is known from the stream itself: these say which steps around it are done.
create table recoveries (
  tenant_id uuid not null,
  stream_id uuid not null,
  step text not null check (step in ('keys', 'fold', 'forked', 'done')),
  updated_at timestamptz not null,
  primary key (tenant_id, stream_id)
);
alter table recoveries enable row level security;
alter table recoveries force row level security;
create policy tenant_isolation on recoveries using (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
grant select, insert, update, delete on recoveries to agentfs_app;
