-- The first schema. Rules kept for a distributed Postgres (distribution column tenant_id): tenant_id comes first in every
-- primary key, unique index and foreign key; no triggers; ids come from the application; no query without a tenant but
-- those of the role agentfs_heads. Names and ids are metadata; contents appear here only sealed.

-- Outside the tenants: which tenant an e-mail address signs in to. Distributed by email_hash.
create table email_directory (
  email_hash bytea primary key,             -- HMAC-SHA-256(pepper, lower-case address)
  tenant_id uuid not null,
  user_id uuid not null,
  created_at timestamptz not null default now()
);

create table tenants (
  tenant_id uuid primary key,
  name text not null,
  settings jsonb not null default '{}',
  created_at timestamptz not null,
  deleted_at timestamptz
);

-- Key-encryption keys of a tenant, wrapped by the KMS; the highest version is current.
create table tenant_keks (
  tenant_id uuid not null references tenants (tenant_id),
  kek_version integer not null,
  wrapped bytea not null,
  kms text not null,
  created_at timestamptz not null,
  ledgered_at timestamptz,                  -- when the key ledger in the object store had it
  primary key (tenant_id, kek_version)
);

create table users (
  tenant_id uuid not null references tenants (tenant_id),
  user_id uuid not null,
  email_hash bytea not null,
  email_sealed bytea not null,              -- sealed under the person's subject key
  subject_key_id uuid not null,
  password_hash text not null,              -- argon2id, PHC string
  role text not null check (role in ('owner', 'admin', 'member', 'auditor')),
  created_at timestamptz not null,
  primary key (tenant_id, user_id),
  unique (tenant_id, email_hash)
);

create table sessions (
  tenant_id uuid not null,
  session_id uuid not null,
  user_id uuid not null,
  secret_hash bytea not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  primary key (tenant_id, session_id),
  foreign key (tenant_id, user_id) references users (tenant_id, user_id)
);

create table api_keys (
  tenant_id uuid not null references tenants (tenant_id),
  key_id text not null,
  name text not null,
  secret_hash bytea not null,
  role text not null check (role in ('reader', 'writer', 'manager')),
  agents uuid[],                            -- null: all
  prefixes text[],
  cidrs text[],
  created_by uuid,
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  primary key (tenant_id, key_id)
);

create table agents (
  tenant_id uuid not null references tenants (tenant_id),
  agent_id uuid not null,
  name text not null,
  root_id uuid not null,
  stream_key_id uuid not null,              -- seals the agent's records
  settings jsonb not null default '{}',
  created_at timestamptz not null,
  deleted_at timestamptz,
  primary key (tenant_id, agent_id)
);
create unique index agents_name on agents (tenant_id, name) where deleted_at is null;

-- A stream: an agent's mutations (stream_id = agent_id), an agent's reads, a tenant's own affairs (stream_id = tenant_id).
-- The row is the lock under which seq is assigned; size and compact range of the Merkle log stand here.
create table streams (
  tenant_id uuid not null references tenants (tenant_id),
  stream_id uuid not null,
  kind text not null check (kind in ('agent', 'reads', 'tenant')),
  agent_id uuid,
  key_id uuid not null,
  epoch integer not null default 0,
  head_seq bigint not null default 0,
  merkle_size bigint not null default 0,
  merkle_range bytea not null default ''::bytea,
  grants_version bigint not null default 0,
  staged_bytes bigint not null default 0,   -- sealed bytes of this stream that wait in Postgres
  staged_since timestamptz,                 -- age of the oldest of them; null when all is stored
  flush_requested_at timestamptz,
  head_at timestamptz,
  primary key (tenant_id, stream_id)
);
create index streams_agent on streams (tenant_id, agent_id);
create index streams_due on streams (staged_since) where staged_since is not null;

-- A cursor of one follower on one stream. 'packer' gives the state stored.
create table followers (
  tenant_id uuid not null,
  stream_id uuid not null,
  follower text not null,
  epoch integer not null default 0,
  seq bigint not null default 0,
  updated_at timestamptz not null,
  primary key (tenant_id, stream_id, follower),
  foreign key (tenant_id, stream_id) references streams (tenant_id, stream_id)
);

-- Objects in the store: writing (committed before the PUT), live, dead, gone; in that order.
create table objects (
  tenant_id uuid not null,
  object_id uuid not null,
  stream_id uuid,
  kind text not null check (kind in ('segment', 'part', 'keys', 'tree')),
  object_key text not null,
  state text not null check (state in ('writing', 'live', 'dead', 'gone')),
  size bigint not null default 0,
  live_bytes bigint not null default 0,
  checksum bytea,
  epoch integer not null default 0,
  first_seq bigint not null default 0,
  last_seq bigint not null default 0,
  created_at timestamptz not null,
  dead_at timestamptz,
  primary key (tenant_id, object_id)
);
create index objects_state on objects (tenant_id, state, created_at);
create index objects_stream on objects (tenant_id, stream_id, first_seq);

-- Records of streams, sealed; in the row until the packer has stored them, then at (object_id, object_offset, sealed_length).
create table records (
  tenant_id uuid not null,
  stream_id uuid not null,
  epoch integer not null,
  seq bigint not null,
  record_id uuid not null,                  -- bound into the seal
  leaf_index bigint not null,
  leaf bytea not null,
  at timestamptz not null,
  sealed bytea,
  sealed_length integer not null,
  object_id uuid,
  object_offset bigint,
  primary key (tenant_id, stream_id, epoch, seq),
  foreign key (tenant_id, stream_id) references streams (tenant_id, stream_id)
);

-- One row per change, for listing and filtering; written with the record, rebuildable from it.
create table audit_events (
  tenant_id uuid not null,
  stream_id uuid not null,
  epoch integer not null,
  seq bigint not null,
  change_index integer not null,
  at timestamptz not null,
  agent_id uuid,
  actor text not null,
  key_id text,
  door text not null,
  address_sealed bytea,
  action text not null,
  path text,
  node_id uuid,
  version_id uuid,
  outcome text not null,
  request_id text not null,
  event_id uuid not null,                   -- UUIDv7: the order of lists over all streams of a tenant
  primary key (tenant_id, stream_id, epoch, seq, change_index)
);
create unique index audit_events_time on audit_events (tenant_id, event_id);
create index audit_events_agent on audit_events (tenant_id, agent_id, event_id);

-- Content, stream, audit and subject keys, wrapped by the tenant's KEK. No foreign key to the tenant here and on objects: it
-- would take a lock on the tenant's row, shared by the writes of all its agents.
create table content_keys (
  tenant_id uuid not null,
  key_id uuid not null,
  purpose text not null check (purpose in ('content', 'stream', 'subject', 'audit')),
  agent_id uuid,
  node_id uuid,                             -- the owner; unification passes it on
  key_version integer not null default 1,
  kek_version integer not null,
  wrapped bytea not null,
  created_at timestamptz not null,
  ledgered_at timestamptz,                  -- null: not yet in the key ledger; nothing it seals counts as stored
  primary key (tenant_id, key_id)
);
create index content_keys_node on content_keys (tenant_id, node_id);
create index content_keys_unledgered on content_keys (tenant_id, agent_id) where ledgered_at is null;

-- A deleted key, for ever; beats every copy of it [ENC-3].
create table tombstones (
  tenant_id uuid not null references tenants (tenant_id),
  key_id uuid not null,
  reason text not null,
  at timestamptz not null,
  ledgered_at timestamptz,
  primary key (tenant_id, key_id)
);

create table nodes (
  tenant_id uuid not null,
  agent_id uuid not null,
  node_id uuid not null,
  kind text not null check (kind in ('file', 'directory', 'symlink')),
  mode integer not null,
  uid bigint not null,
  gid bigint not null,
  mtime_sec bigint not null,
  mtime_nsec integer not null,
  ctime_sec bigint not null,
  ctime_nsec integer not null,
  size bigint not null default 0,
  head_version uuid,
  number integer not null default 0,
  links integer not null default 1,
  target bytea,                             -- of a symlink; bytes, for it may be no UTF-8
  xattrs jsonb,
  content_key_id uuid,                      -- seals new content of a file
  created_at timestamptz not null,
  modified_at timestamptz not null,
  modified_by text not null,
  seq bigint not null,
  deleted_at timestamptz,
  deleted_parent uuid,                      -- where it last was, so that it can come back
  deleted_name bytea,
  primary key (tenant_id, agent_id, node_id),
  foreign key (tenant_id, agent_id) references agents (tenant_id, agent_id)
);

-- Names, apart from nodes, so that a file can have several.
create table entries (
  tenant_id uuid not null,
  agent_id uuid not null,
  parent_id uuid not null,
  name bytea not null,
  node_id uuid not null,
  seq bigint not null,
  primary key (tenant_id, agent_id, parent_id, name),
  foreign key (tenant_id, agent_id, parent_id) references nodes (tenant_id, agent_id, node_id) deferrable initially deferred,
  foreign key (tenant_id, agent_id, node_id) references nodes (tenant_id, agent_id, node_id) deferrable initially deferred
);
create index entries_node on entries (tenant_id, agent_id, node_id);

create table aliases (
  tenant_id uuid not null,
  agent_id uuid not null,
  alias_id uuid not null,
  node_id uuid not null,
  seq bigint not null,
  primary key (tenant_id, agent_id, alias_id),
  foreign key (tenant_id, agent_id, node_id) references nodes (tenant_id, agent_id, node_id) deferrable initially deferred
);

-- Versions; the sealed manifest stands in the row until stored, then at (object_id, object_offset, sealed_length).
create table versions (
  tenant_id uuid not null,
  agent_id uuid not null,
  node_id uuid not null,
  version_id uuid not null,
  number integer not null,
  parents uuid[] not null,
  author text not null,
  size bigint not null,
  content_mac bytea not null,               -- keyed hash: tells identical bytes without revealing them
  part_ids uuid[] not null,
  key_id uuid not null,                     -- seals the manifest
  epoch integer not null,
  seq bigint not null,
  created_at timestamptz not null,
  sealed bytea,
  sealed_length integer not null,
  object_id uuid,
  object_offset bigint,
  primary key (tenant_id, agent_id, version_id),
  unique (tenant_id, agent_id, node_id, number),
  foreign key (tenant_id, agent_id, node_id) references nodes (tenant_id, agent_id, node_id) deferrable initially deferred
);

-- Sealed content; staged in the row, or in an object.
create table parts (
  tenant_id uuid not null,
  agent_id uuid not null,
  part_id uuid not null,
  node_id uuid not null,
  key_id uuid not null,
  size integer not null,
  content_mac bytea not null,
  epoch integer not null,
  seq bigint,                               -- the commit that first named it; null: uploaded and not yet named
  created_at timestamptz not null,
  sealed bytea,
  sealed_length integer not null,
  object_id uuid,
  object_offset bigint,
  primary key (tenant_id, agent_id, part_id),
  foreign key (tenant_id, key_id) references content_keys (tenant_id, key_id)
);
create index parts_unnamed on parts (tenant_id, agent_id, created_at) where seq is null;
create index parts_staged on parts (tenant_id, agent_id, seq) where sealed is not null;
create index versions_staged on versions (tenant_id, agent_id, seq) where sealed is not null;
create index records_staged on records (tenant_id, stream_id, seq) where sealed is not null;

-- A client store: its last push, and the whole answer to it, for ever [SY-8].
create table stores (
  tenant_id uuid not null,
  agent_id uuid not null,
  store_id uuid not null,
  last_number bigint not null,
  last_digest bytea not null,
  answer_sealed bytea not null,             -- under the agent's stream key, bound to the store's id
  updated_at timestamptz not null,
  primary key (tenant_id, agent_id, store_id),
  foreign key (tenant_id, agent_id) references agents (tenant_id, agent_id)
);

-- What a commit already holds of a store: (number, digest) of every push that committed [SY-8].
create table store_pushes (
  tenant_id uuid not null,
  agent_id uuid not null,
  store_id uuid not null,
  number bigint not null,
  digest bytea not null,
  epoch integer not null,
  seq bigint,
  primary key (tenant_id, agent_id, store_id, number)
);

create table idempotency_keys (
  tenant_id uuid not null,
  principal text not null,
  idempotency_key text not null,
  request_digest bytea not null,
  status integer,
  answer_sealed bytea,                      -- may hold a secret shown once
  answer_key_id uuid,
  created_at timestamptz not null,
  primary key (tenant_id, principal, idempotency_key)
);

-- Row-level security: the second fence [ISO-2]. Forced, so that not even the owner passes without a tenant.
do $$
declare t text;
begin
  for t in
    select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = current_schema() and c.relkind = 'r'
      and exists (select 1 from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
      and c.relname <> 'email_directory'
  loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy tenant_isolation on %I using (tenant_id = nullif(current_setting(''app.tenant'', true), '''')::uuid) '
      'with check (tenant_id = nullif(current_setting(''app.tenant'', true), '''')::uuid)', t);
    execute format('grant select, insert, update, delete on %I to agentfs_app', t);
  end loop;
end $$;
grant select, insert, delete on email_directory to agentfs_app;

-- Heads and due work over all tenants, and nothing else [SY-3].
create policy heads_read on streams for select to agentfs_heads using (true);
create policy heads_read on followers for select to agentfs_heads using (true);
grant select (tenant_id, stream_id, kind, agent_id, epoch, head_seq, grants_version, staged_bytes, staged_since, flush_requested_at) on streams to agentfs_heads;
grant select on followers to agentfs_heads;
