import { writeFileSync } from 'node:fs'
import { openapiDocument } from '@agentfs/contracts'

// Makes docs/openapi.json anew; a test compares the committed file with what the route table says.
const file = new URL('../../../docs/openapi.json', import.meta.url)
writeFileSync(file, `${JSON.stringify(openapiDocument(), null, 1)}\n`)
