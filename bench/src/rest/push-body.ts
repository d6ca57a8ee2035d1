import { createHash, randomUUID } from 'node:crypto'
import { MESSAGE_PACK, packMessage } from '@agentfs/sdk'
import { requestBytes } from './lane.js'

/** A client store that pushes new files into one directory, each push on top of the one before. */
export class PushingStore {
  readonly #store = randomUUID()
  #number = 0
  #previous: string | null = null

  constructor(
    private readonly agentId: string,
    private readonly rootId: string,
    private readonly key: string,
  ) {}

  /** The request of the next push: `files` new files with the same content. */
  next(files: number, content: Uint8Array): Buffer {
    const operations = Array.from({ length: files }, (_, at) => {
      const node = randomUUID()
      return [
        { op: 'create', node, kind: 'file', parent: this.rootId, name: `s-${this.#number}-${at}.md` },
        {
          op: 'write',
          node,
          base: null,
          version: randomUUID(),
          size: content.length,
          extents: [{ offset: 0, data: content }],
        },
      ]
    }).flat()
    this.#number += 1
    const body = packMessage({
      store: this.#store,
      number: this.#number,
      previous: this.#previous,
      operations,
    })
    this.#previous = createHash('sha256').update(body).digest('hex')
    const headers = {
      authorization: `Bearer ${this.key}`,
      'content-type': MESSAGE_PACK,
      accept: MESSAGE_PACK,
      'agentfs-epoch': '0',
    }
    return requestBytes('POST', `/v1/agents/${this.agentId}/sync`, headers, body)
  }
}
