/** The role that owns everything; the application's own role is made by the migrations. */
export const SUPERUSER = 'agentfs'

/** The database that the returned URL names. */
export const DATABASE = 'agentfs'

/** The only way in: loopback and the password. No socket, no replication, no trust. */
export const HOST_BASED_AUTHENTICATION = 'host all all 127.0.0.1/32 scram-sha-256\n'

/** Flags of every server start. Given here and not in postgresql.conf, so that an update of ours reaches old data. */
export function serverSettings(port: number): readonly string[] {
  const settings: Record<string, string | number> = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    cluster_name: 'agentfs',
    // An acknowledged write is a committed one: these three are the promise, whatever postgresql.conf says.
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    // A standalone service shares its machine: small at rest, no helper processes it does not need.
    shared_buffers: '64MB',
    max_connections: 100,
    io_method: 'sync',
    huge_pages: 'off',
    jit: 'off',
    max_wal_size: '512MB',
    // A folder full of files may come within seconds of the first start: until tables are analyzed, joins read far too much.
    autovacuum_naptime: '5s',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // The log holds no file names, addresses or statements: terse drops DETAIL, which quotes key values.
    log_error_verbosity: 'terse',
    log_min_error_statement: 'panic',
    log_statement: 'none',
    logging_collector: 'off',
    log_checkpoints: 'off',
  }
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** The whole environment of every Postgres process: nothing of ours (secrets, PGDATA, PGOPTIONS) leaks in. */
export const PROCESS_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
}
