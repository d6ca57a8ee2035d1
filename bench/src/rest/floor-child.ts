// The least a service of this kind costs: Fastify alone at /, and with one look-up by key through postgres.js at /select.
import Fastify from 'fastify'
import postgres from 'postgres'

const [url] = process.argv.slice(2)
if (url === undefined) throw new Error('floor-child URL')
const sql = postgres(url, { max: 16, onnotice: () => undefined })
await sql`create table if not exists floor (id integer primary key, body bytea not null)`
await sql`insert into floor values (1, ${Buffer.alloc(1_024, 'x')}) on conflict do nothing`
const body = Buffer.alloc(1_024, 'x')
const app = Fastify()
app.get('/', (_request, reply) => reply.send(body))
app.get('/select', async () => {
  const [row] = await sql<{ body: Buffer }[]>`select body from floor where id = ${1}`
  return row?.body
})
process.stdout.write(`ready ${await app.listen({ host: '127.0.0.1', port: 0 })}\n`)
