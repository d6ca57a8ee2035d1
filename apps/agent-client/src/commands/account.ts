import { hostname } from 'node:os'
import { AgentfsClient, Http } from '@agentfs/sdk'
import type { Command } from 'commander'
import { loadConfig, removeConfig, saveConfig } from '../saved-config.js'
import { ask, readStdinText } from '../terminal/ask.js'
import { parseNumber } from '../terminal/parse.js'
import { action, type CommandContext } from './context.js'

type Credentials = { email?: string; password?: string; passwordStdin?: boolean }

async function credentials(options: Credentials): Promise<{ email: string; password: string }> {
  const email = options.email ?? (await ask('E-mail', { instead: '--email ADDRESS' }))
  const password =
    options.passwordStdin === true
      ? await readStdinText()
      : (options.password ??
        (await ask('Password', {
          secret: true,
          instead: '--password-stdin, and the password on standard input',
        })))
  return { email, password }
}

async function signup(
  context: CommandContext,
  options: Credentials & { tenant?: string; save: boolean },
): Promise<void> {
  const { output, settings } = context
  const who = await credentials(options)
  const tenant = options.tenant ?? who.email.split('@')[0] ?? 'home'
  const answer = await new AgentfsClient({ url: settings.url, door: 'cli' }).signup({ ...who, tenant })
  if (options.save) {
    const path = saveConfig(settings.environment.configDirectory, {
      url: settings.url,
      token: answer.apiKey.secret,
      keyId: answer.apiKey.id,
    })
    output.note(`The API key is kept in ${path}; later commands use it.`)
  }
  output.note('The key is shown this once. Next: agentfs-client mount --agent-id NAME DIR')
  output.result(answer, answer.apiKey.secret)
}

async function login(context: CommandContext, options: Credentials): Promise<void> {
  const { output, settings } = context
  const { configDirectory } = settings.environment
  if (settings.token !== undefined && options.email === undefined) {
    const me = await context.client().whoami()
    const path = saveConfig(configDirectory, { url: settings.url, token: settings.token })
    output.note(`The credential is kept in ${path}.`)
    output.result(me, `logged in to ${me.tenant.name}`)
    return
  }
  const who = await credentials(options)
  const signedIn = await new Http({ url: settings.url, door: 'cli' }).request('POST', '/v1/auth/login', {
    json: who,
  })
  const cookie = signedIn.headers
    .getSetCookie()
    .map((it) => it.split(';')[0])
    .join('; ')
  const session = new Http({ url: settings.url, door: 'cli' })
  const headers = { cookie, origin: new URL(settings.url).origin }
  const key = await session.json<{ id: string; secret: string }>('POST', '/v1/keys', {
    json: { name: `cli on ${hostname()}`.slice(0, 100) },
    headers,
  })
  await session.request('POST', '/v1/auth/logout', { headers, json: {} })
  const path = saveConfig(configDirectory, { url: settings.url, token: key.secret, keyId: key.id })
  output.note(`A new API key for this machine is kept in ${path}; \`agentfs-client logout\` revokes it.`)
  output.result({ keyId: key.id }, 'logged in')
}

async function logout(context: CommandContext): Promise<void> {
  const { configDirectory } = context.settings.environment
  const saved = loadConfig(configDirectory)
  if (saved.token === undefined) {
    context.output.result({ loggedOut: false }, 'not logged in')
    return
  }
  if (saved.keyId !== undefined && saved.url !== undefined) {
    await new AgentfsClient({ url: saved.url, token: saved.token, door: 'cli' }).revokeKey(saved.keyId)
  }
  removeConfig(configDirectory)
  context.output.result({ loggedOut: true }, 'logged out')
}

async function whoami(context: CommandContext): Promise<void> {
  const me = await context.client().whoami()
  const who = me.user?.email ?? (me.key === undefined ? 'unknown' : `key ${me.key.name} (${me.key.id})`)
  context.output.result(me, `${who} of ${me.tenant.name}, role ${me.scope.role}`)
}

async function token(
  context: CommandContext,
  options: { role?: 'reader' | 'writer' | 'manager'; prefix?: string[]; ttl?: number },
): Promise<void> {
  const answer = await context.client().token({
    ...(context.settings.agent === undefined ? {} : { agent: context.settings.agent }),
    ...(options.role === undefined ? {} : { role: options.role }),
    ...(options.prefix === undefined ? {} : { prefixes: options.prefix }),
    ...(options.ttl === undefined ? {} : { ttlSeconds: options.ttl }),
  })
  context.output.result(answer, answer.accessToken)
}

/** signup, login, logout, whoami, token. */
export function addAccountCommands(program: Command): void {
  program
    .command('signup')
    .description('make a tenant with its first user and API key')
    .option('--email <address>')
    .option('--password <text>', 'prefer --password-stdin: arguments are visible to others')
    .option('--password-stdin', 'read the password from standard input')
    .option('--tenant <name>', 'name of the organisation')
    .option('--no-save', 'do not keep the key for later commands')
    .action(action(signup))
  program
    .command('login')
    .description('keep a credential for later commands: --token, or e-mail and password')
    .option('--email <address>')
    .option('--password <text>', 'prefer --password-stdin: arguments are visible to others')
    .option('--password-stdin', 'read the password from standard input')
    .action(action(login))
  program.command('logout').description('forget the saved credential').action(action(logout))
  program.command('whoami').description('who the credential is, and what it may do').action(action(whoami))
  program
    .command('token')
    .description('a short-lived access token, possibly narrower than the key')
    .option('--role <role>', 'reader, writer or manager')
    .option('--prefix <path...>', 'only these paths and below')
    .option('--ttl <seconds>', 'at most 300', parseNumber)
    .action(action(token))
}
