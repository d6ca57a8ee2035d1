import { Controller, Inject, Param } from '@nestjs/common'
import { mirrorRequest, type MirrorRequest, type MirrorStatus, routes } from '@agentfs/contracts'
import type { Caller, Engine } from '@agentfs/engine'
import { CallerOf } from '../auth/caller.js'
import { ENGINE } from '../engine-token.js'
import { Endpoint } from '../http/endpoint.js'
import { JsonBody } from '../http/parameters.js'

/** Open mirrors of agents. */
@Controller()
export class MirrorsController {
  constructor(@Inject(ENGINE) private readonly engine: Engine) {}

  @Endpoint(routes.mirrorGet)
  get(@CallerOf() caller: Caller, @Param('agent') agent: string): Promise<MirrorStatus> {
    return this.engine.mirrors.status(caller, agent)
  }

  @Endpoint(routes.mirrorPut)
  put(
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @JsonBody(mirrorRequest) body: MirrorRequest,
  ): Promise<MirrorStatus> {
    return this.engine.mirrors.set(caller, agent, body)
  }
}
