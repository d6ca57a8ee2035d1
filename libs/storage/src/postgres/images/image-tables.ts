/** A table of an agent's tree, in the order in which an image holds and restores them: nodes before what names them. */
export const IMAGE_TABLES = ['nodes', 'entries', 'aliases', 'versions', 'parts'] as const
/** A table of an agent's tree. */
export type ImageTable = (typeof IMAGE_TABLES)[number]

/** A row of an image by its columns, as Postgres writes them in JSON: bytes as `\x` and hex. */
export type ImageRow = Readonly<Record<string, unknown>>

/** The columns that version 1 of the format holds, with their types: part of the format, not of the schema. */
export const IMAGE_COLUMNS = {
  nodes: {
    node_id: 'uuid',
    kind: 'text',
    mode: 'integer',
    uid: 'bigint',
    gid: 'bigint',
    mtime_sec: 'bigint',
    mtime_nsec: 'integer',
    ctime_sec: 'bigint',
    ctime_nsec: 'integer',
    size: 'bigint',
    head_version: 'uuid',
    number: 'integer',
    links: 'integer',
    target: 'bytea',
    xattrs: 'jsonb',
    created_at: 'timestamptz',
    modified_at: 'timestamptz',
    modified_by: 'text',
    seq: 'bigint',
    deleted_at: 'timestamptz',
    deleted_parent: 'uuid',
    deleted_name: 'bytea',
  },
  entries: { parent_id: 'uuid', name: 'bytea', node_id: 'uuid', seq: 'bigint' },
  aliases: { alias_id: 'uuid', node_id: 'uuid', seq: 'bigint' },
  versions: {
    version_id: 'uuid',
    node_id: 'uuid',
    number: 'integer',
    parents: 'uuid[]',
    author: 'text',
    size: 'bigint',
    content_mac: 'bytea',
    part_ids: 'uuid[]',
    key_id: 'uuid',
    epoch: 'integer',
    seq: 'bigint',
    created_at: 'timestamptz',
    sealed_length: 'integer',
    object_id: 'uuid',
    object_offset: 'bigint',
  },
  parts: {
    part_id: 'uuid',
    node_id: 'uuid',
    key_id: 'uuid',
    size: 'integer',
    content_mac: 'bytea',
    epoch: 'integer',
    seq: 'bigint',
    created_at: 'timestamptz',
    sealed_length: 'integer',
    object_id: 'uuid',
    object_offset: 'bigint',
    part_ids: 'uuid[]',
  },
} as const satisfies Record<ImageTable, Readonly<Record<string, string>>>
