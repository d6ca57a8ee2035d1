import type { Caller } from '../caller.js'

/**
 * Who wrote, as `modifiedBy` shows it: a key that is for this one agent is the agent itself; else the key, or the person.
 */
export function authorOf(caller: Caller, agent: { readonly agentId: string; readonly name: string }): string {
  const { actor, limits } = caller.principal
  if (actor.kind === 'key' && limits.agents?.length === 1 && limits.agents[0] === agent.agentId) {
    return `agent/${agent.name}`
  }
  return `${actor.kind}/${actor.id}`
}
