import { Controller, Inject, Param } from '@nestjs/common'
import {
  type ApiKey,
  type KeyCreateAnswer,
  type KeyCreateRequest,
  keyCreateRequest,
  type ListOf,
  listQuery,
  type ListQuery,
  routes,
} from '@agentfs/contracts'
import type { Caller, Engine } from '@agentfs/engine'
import { CallerOf } from '../auth/caller.js'
import { ENGINE } from '../engine-token.js'
import { Endpoint } from '../http/endpoint.js'
import { JsonBody, QueryOf } from '../http/parameters.js'

/** API keys. */
@Controller()
export class KeysController {
  constructor(@Inject(ENGINE) private readonly engine: Engine) {}

  @Endpoint(routes.keyCreate)
  create(
    @CallerOf() caller: Caller,
    @JsonBody(keyCreateRequest) body: KeyCreateRequest,
  ): Promise<KeyCreateAnswer> {
    return this.engine.accounts.createKey(caller, body)
  }

  @Endpoint(routes.keyList)
  list(@CallerOf() caller: Caller, @QueryOf(listQuery) query: ListQuery): Promise<ListOf<ApiKey>> {
    return this.engine.accounts.listKeys(caller, query)
  }

  @Endpoint(routes.keyRevoke)
  revoke(@CallerOf() caller: Caller, @Param('id') id: string): Promise<void> {
    return this.engine.accounts.revokeKey(caller, id)
  }
}
