import 'reflect-metadata'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { NestFactory } from '@nestjs/core'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import { AccountsService } from './accounts/accounts.service.js'
import { SignupGate } from './accounts/signup-gate.js'
import type { ApiOptions } from './api-options.js'
import { AppModule } from './app.module.js'
import { Authenticator } from './auth/authenticator.js'
import { CredentialGuard } from './auth/credential-guard.js'
import { TokenVerifier } from './auth/token-strategy.js'
import { FeedGateway } from './feed/feed-gateway.js'
import { FeedHub } from './feed/feed-hub.js'
import { observeRequests } from './http/access-log.js'
import { NestLog } from './http/logger.js'
import { ProblemFilter } from './http/problem-filter.js'
import { RATE_LIMITS, RateLimiter } from './http/rate-limits.js'
import { createHttpAdapter } from './http/server.js'
import { ApiMetrics } from './metrics/metrics.js'
import { MetricsServer } from './metrics/metrics-server.js'
import { StaticFiles } from './service/static-files.js'

/** One API process. */
export interface Api {
  /** Starts to serve; gives the addresses it is reached at. */
  listen(): Promise<{ readonly url: string; readonly metricsUrl: string | null }>
  /** The address, once it listens. */
  readonly url: string
  /** Takes no more requests, finishes those under way, asks feeds to come back elsewhere. */
  close(): Promise<void>
}

/** Composes the API over an engine. */
export async function createApi(options: ApiOptions): Promise<Api> {
  const { engine, log } = options
  const metrics = new ApiMetrics()
  const limiter = new RateLimiter(options.rateLimits ?? RATE_LIMITS)
  const authenticator = new Authenticator(engine.accounts, new TokenVerifier(options.tokenKeys))
  const gate = new SignupGate(options.signup)
  const accounts = new AccountsService({
    accounts: engine.accounts,
    tokenKey: options.tokenKeys[0],
    gate,
    limiter,
  })
  const pace = options.feedPace === undefined ? {} : { pace: options.feedPace }
  const hub = new FeedHub({ sync: engine.sync, bus: options.bus, log, metrics, ...pace })
  const gateway = new FeedGateway({ engine, authenticator, hub, log, metrics })
  const files = await StaticFiles.open(options.dashboard?.directory ?? null)

  const adapter = createHttpAdapter({ trustProxy: options.trustProxy ?? false, tls: options.tls ?? null })
  observeRequests(adapter.getInstance(), log, metrics)
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.with({ options, accounts, gateway, files }),
    adapter,
    { logger: new NestLog(log), bodyParser: false, abortOnError: false },
  )
  app.useGlobalFilters(new ProblemFilter(log))
  app.useGlobalGuards(new CredentialGuard(authenticator, limiter, engine.audit))
  await app.init()
  gateway.attach(app.getHttpServer(), adapter.getInstance())
  return new RunningApi(options, app, metrics, hub, gateway)
}

const CLOSE_MS_MAX = 8_000

class RunningApi implements Api {
  #url = ''
  readonly #metricsServer: MetricsServer

  constructor(
    private readonly options: ApiOptions,
    private readonly app: NestFastifyApplication,
    metrics: ApiMetrics,
    private readonly hub: FeedHub,
    private readonly gateway: FeedGateway,
  ) {
    this.#metricsServer = new MetricsServer([metrics.registry, ...(options.moreMetrics ?? [])])
  }

  get url(): string {
    return this.#url
  }

  async listen(): Promise<{ url: string; metricsUrl: string | null }> {
    const { host, port, tls, metrics } = this.options
    await this.app.listen({ host, port })
    const server: Server = this.app.getHttpServer()
    const bound = (server.address() as AddressInfo).port
    this.#url = `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${bound}`
    const metricsUrl = metrics ? await this.#metricsServer.listen(metrics.host, metrics.port) : null
    return { url: this.#url, metricsUrl }
  }

  async close(): Promise<void> {
    this.hub.close()
    this.gateway.close()
    // Requests under way may finish, within limits: containers give ten seconds.
    const server: Server = this.app.getHttpServer()
    const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MS_MAX)
    await this.app.close()
    clearTimeout(cut)
    await this.#metricsServer.close()
  }
}
