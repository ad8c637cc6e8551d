import { config } from './config.ts'
import { registerHandlers } from './handlers.ts'
import { openService } from './service.ts'
import { onShutdown } from './shutdown.ts'

const service = openService('worker', config.databaseUrl ?? '')
registerHandlers(service)
onShutdown(() => service.close())
await service.bus.start()
