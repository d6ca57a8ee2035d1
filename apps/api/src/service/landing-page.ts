import { escaped, page } from './page.js'

/** What this is and what to type, for a browser that comes by. */
export function landingPage(serviceUrl: string): string {
  const url = escaped(serviceUrl)
  return page(
    'agentfs',
    `<h1>agentfs</h1>
<p>Memory for AI agents: every agent has a home directory here, and mounts it as a folder on any machine.</p>
<h2>Start</h2>
<pre><code>curl -fsSL ${url}/install.sh | sh
agentfs-client signup --url ${url}
agentfs-client mount ~/agent-memory --agent-id my-agent</code></pre>
<p>What is written into <code>~/agent-memory</code> is there a moment later wherever the same agent is mounted, and
survives the machine.</p>
<h2>Over REST</h2>
<pre><code>curl -X PUT --data-binary @notes.md -H "Authorization: Bearer $AGENTFS_TOKEN" \\
  ${url}/v1/agents/my-agent/files/notes.md</code></pre>
<p><a href="/docs">Reference</a> · <a href="/openapi.json">OpenAPI</a></p>`,
  )
}
