import { JOB_PAYLOADS } from '@agentfs/contracts'
import { runMigrations } from 'bullmq'
import { Client, escapeIdentifier, escapeLiteral } from 'pg'

/** The queue's own schema: its tables hold no tenant's rows and must not meet the row-level rules of those that do. */
export const QUEUE_SCHEMA = 'bullmq'
/** The role that may use the queue's schema, and nothing else. */
export const QUEUE_ROLE = 'agentfs_queue'

/** Where the schema goes. */
export interface QueueSchemaOptions {
  /** A role that may create schemas and roles. */
  readonly ownerUrl: string
  /** Password of the queue's role; set anew each time. */
  readonly password: string
  /** Empties the queue: for a process that is its only user, whose killed predecessor may still hold jobs. */
  readonly forgetJobs?: boolean
}

/**
 * Makes or updates the queue's schema and role. Idempotent, and safe when several processes start at once. The
 * role owns nothing and can define nothing: a queue that is taken over cannot plant code in the database.
 */
export async function prepareQueueSchema({
  ownerUrl,
  password,
  forgetJobs = false,
}: QueueSchemaOptions): Promise<void> {
  const client = new Client({ connectionString: ownerUrl, application_name: 'agentfs-migrate' })
  await client.connect()
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK])
    await runMigrations(client, QUEUE_SCHEMA)
    await createJobIdSequences(client)
    if (forgetJobs) await client.query(FORGET_JOBS)
    await client.query(roleStatement(password))
    for (const statement of GRANTS) await client.query(statement)
  } finally {
    await client.end()
  }
}

// Serialises role creation, which has no "if not exists"; the session's end releases it.
const LOCK = 0x61667171

const SCHEMA_NAME = escapeIdentifier(QUEUE_SCHEMA)
const ROLE_NAME = escapeIdentifier(QUEUE_ROLE)
// All of a job's state hangs on these: its row, what deduplicates against it, and what it is to be followed by.
const FORGET_JOBS = `truncate ${['job', 'dedup', 'dedup_next'].map((table) => `${SCHEMA_NAME}.${table}`).join(', ')} cascade`
const GRANTS = [
  `grant usage on schema ${SCHEMA_NAME} to ${ROLE_NAME}`,
  `grant select, insert, update, delete on all tables in schema ${SCHEMA_NAME} to ${ROLE_NAME}`,
  `grant usage on all sequences in schema ${SCHEMA_NAME} to ${ROLE_NAME}`,
  `grant execute on all functions in schema ${SCHEMA_NAME} to ${ROLE_NAME}`,
]

/** BullMQ makes a queue's sequence of job ids with its first job, which takes more rights than jobs do: made here instead. */
async function createJobIdSequences(client: Client): Promise<void> {
  for (const queue of Object.keys(JOB_PAYLOADS)) {
    const found = await client.query<{ name: string }>(`select ${SCHEMA_NAME}.job_id_seq_name($1) as name`, [
      queue,
    ])
    const name = found.rows[0]?.name ?? ''
    await client.query(`create sequence if not exists ${SCHEMA_NAME}.${escapeIdentifier(name)}`)
  }
}

function roleStatement(password: string): string {
  const attributes = `login nosuperuser nocreatedb nocreaterole noinherit nobypassrls password ${escapeLiteral(password)}`
  return `do $$ begin
    if exists (select 1 from pg_roles where rolname = ${escapeLiteral(QUEUE_ROLE)}) then
      alter role ${ROLE_NAME} ${attributes};
    else
      create role ${ROLE_NAME} ${attributes};
    end if;
  end $$`
}
