import { type DynamicModule, Module, type Provider } from '@nestjs/common'
import { AccountsController } from './accounts/accounts.controller.js'
import { AccountsService } from './accounts/accounts.service.js'
import { AgentsController } from './agents/agents.controller.js'
import { MirrorsController } from './agents/mirrors.controller.js'
import type { ApiOptions } from './api-options.js'
import { AuditController } from './audit/audit.controller.js'
import { API_OPTIONS, ENGINE } from './engine-token.js'
import { FeedController } from './feed/feed.controller.js'
import { FeedGateway } from './feed/feed-gateway.js'
import { FilesController } from './files/files.controller.js'
import { NodesController } from './files/nodes.controller.js'
import { TreeController } from './files/tree.controller.js'
import { HistoryController } from './history/history.controller.js'
import { KeysController } from './keys/keys.controller.js'
import { DocsController } from './service/docs.controller.js'
import { HealthController } from './service/health.controller.js'
import { InstallController } from './service/install.controller.js'
import { PagesController } from './service/pages.controller.js'
import { StaticFiles } from './service/static-files.js'
import { SyncController } from './sync/sync.controller.js'

/** What the modules share. */
export interface AppParts {
  readonly options: ApiOptions
  readonly accounts: AccountsService
  readonly gateway: FeedGateway
  readonly files: StaticFiles
}

@Module({ controllers: [AccountsController, KeysController] })
class AccountsModule {}

@Module({ controllers: [AgentsController, MirrorsController] })
class AgentsModule {}

@Module({ controllers: [FilesController, NodesController, TreeController, HistoryController] })
class FilesModule {}

@Module({ controllers: [SyncController, FeedController] })
class SyncModule {}

@Module({ controllers: [AuditController] })
class AuditModule {}

@Module({ controllers: [HealthController, DocsController, InstallController, PagesController] })
class ServiceModule {}

/** The whole application: a module per noun over shared parts. */
@Module({})
export class AppModule {
  /** Binds the parts; guards and filter are set by `createApi`. */
  static with({ options, accounts, gateway, files }: AppParts): DynamicModule {
    const shared: Provider[] = [
      { provide: ENGINE, useValue: options.engine },
      { provide: API_OPTIONS, useValue: options },
      { provide: AccountsService, useValue: accounts },
      { provide: FeedGateway, useValue: gateway },
      { provide: StaticFiles, useValue: files },
    ]
    return {
      module: AppModule,
      global: true,
      // The catch-all for pages comes last, so that every route of the table is looked up before it.
      imports: [AccountsModule, AgentsModule, FilesModule, SyncModule, AuditModule, ServiceModule],
      providers: shared,
      exports: shared,
    }
  }
}
