import { Controller, Inject, Req, Res } from '@nestjs/common'
import {
  type Erasure,
  type LoginAnswer,
  type LoginRequest,
  loginRequest,
  routes,
  type SignupAnswer,
  signupBody,
  type SignupBody,
  tenantEraseQuery,
  type TenantEraseQuery,
  type TokenAnswer,
  tokenRequest,
  type TokenRequest,
  type WhoamiAnswer,
} from '@agentfs/contracts'
import type { Caller, Engine } from '@agentfs/engine'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { CallerOf } from '../auth/caller.js'
import { ENGINE } from '../engine-token.js'
import { Endpoint } from '../http/endpoint.js'
import { deletionAnswer } from '../http/deletion-answer.js'
import { JsonBody, QueryOf } from '../http/parameters.js'
import { AccountsService } from './accounts.service.js'

/** Signing up, in and out; tokens; who one is. */
@Controller()
export class AccountsController {
  constructor(
    @Inject(ENGINE) private readonly engine: Engine,
    @Inject(AccountsService) private readonly accounts: AccountsService,
  ) {}

  @Endpoint(routes.signup)
  signup(@Req() request: FastifyRequest, @JsonBody(signupBody) body: SignupBody): Promise<SignupAnswer> {
    return this.accounts.signup(request, body)
  }

  @Endpoint(routes.login)
  login(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @JsonBody(loginRequest) body: LoginRequest,
  ): Promise<LoginAnswer> {
    return this.accounts.login(request, reply, body)
  }

  @Endpoint(routes.logout)
  logout(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    return this.accounts.logout(request, reply)
  }

  @Endpoint(routes.tokenExchange)
  exchange(@CallerOf() caller: Caller, @JsonBody(tokenRequest) body: TokenRequest): Promise<TokenAnswer> {
    return this.accounts.exchange(caller, body)
  }

  @Endpoint(routes.whoami)
  whoami(@CallerOf() caller: Caller): Promise<WhoamiAnswer> {
    return this.engine.accounts.whoami(caller)
  }

  @Endpoint(routes.tenantErase)
  eraseTenant(
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerOf() caller: Caller,
    @QueryOf(tenantEraseQuery) { name }: TenantEraseQuery,
  ): Promise<Erasure | undefined> {
    return this.engine.tenants.erase(caller, name).then((erasure) => deletionAnswer(reply, erasure))
  }
}
