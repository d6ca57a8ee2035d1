-- Checkpoints over a tenant's logs [AUD-3]: signed notes, each naming the hash of the one before; also in the object store.
create table audit_checkpoints (
  tenant_id uuid not null references tenants (tenant_id),
  number bigint not null,
  at timestamptz not null,
  note text not null,
  hash text not null,                       -- hex; what the next one names as its previous
  stored_at timestamptz,                    -- when the object store had it
  primary key (tenant_id, number)
);
create index audit_checkpoints_unstored on audit_checkpoints (tenant_id, number) where stored_at is null;

-- The tenant's signing key, among its wrapped keys; made with the first checkpoint.
alter table tenants add column audit_key_id uuid;

-- Since when a stream has grown beyond its last checkpoint; null where it has not.
alter table streams add column checkpoint_since timestamptz;
create index streams_checkpoint on streams (checkpoint_since) where checkpoint_since is not null;

alter table audit_checkpoints enable row level security;
alter table audit_checkpoints force row level security;
create policy tenant_isolation on audit_checkpoints using (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
grant select, insert, update, delete on audit_checkpoints to agentfs_app;
grant select (checkpoint_since) on streams to agentfs_heads;
