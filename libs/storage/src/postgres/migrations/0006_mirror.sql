-- The open mirror: which agents have one, and what it wrote.

create table mirrors (
  tenant_id uuid not null,
  agent_id uuid not null,
  state text not null check (state in ('on', 'removing', 'off')),
  target text not null,                     -- '' is the tenant's own store, else the name of a target of the operator
  -- While the whole tree is written: the head it will then follow from, and the last node that is done. Null: it follows.
  fill_epoch integer,
  fill_seq bigint,
  fill_after uuid,
  changed_at timestamptz not null,
  -- One worker at a time; the claim is lost with its time.
  claimed_by uuid,
  claimed_until timestamptz,
  primary key (tenant_id, agent_id),
  foreign key (tenant_id, agent_id) references agents (tenant_id, agent_id)
);

-- An object of the mirror. Its row is there before it is written and until it is deleted.
create table mirror_documents (
  tenant_id uuid not null,
  agent_id uuid not null,
  object_key text not null,
  node_id uuid not null,
  version_id uuid,
  sidecar boolean not null default false,
  written_at timestamptz,                   -- null: what stands there is not known
  primary key (tenant_id, agent_id, object_key),
  foreign key (tenant_id, agent_id) references agents (tenant_id, agent_id)
);
create index mirror_documents_node on mirror_documents (tenant_id, agent_id, node_id);
create index followers_mirror on followers (tenant_id, stream_id) where follower = 'mirror';

do $$
declare t text;
begin
  foreach t in array array['mirrors', 'mirror_documents'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy tenant_isolation on %I using (tenant_id = nullif(current_setting(''app.tenant'', true), '''')::uuid) '
      'with check (tenant_id = nullif(current_setting(''app.tenant'', true), '''')::uuid)', t);
    execute format('grant select, insert, update, delete on %I to agentfs_app', t);
  end loop;
end $$;
