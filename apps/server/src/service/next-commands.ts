/** The three commands that bring a new user to a file in a mount. */
export function nextCommands(url: string): { what: string; command: string }[] {
  const where = url === 'http://127.0.0.1:7333' ? '' : ` --url ${url}`
  return [
    {
      what: 'sign up',
      command: `npx agentfs-client signup${where} --email you@example.com --tenant my-team`,
    },
    {
      what: 'mount a memory',
      command: `npx agentfs-client mount ~/agent-memory --agent-id my-agent${where} --daemon`,
    },
    { what: 'write into it', command: 'echo "# Hello" > ~/agent-memory/notes.md' },
  ]
}
