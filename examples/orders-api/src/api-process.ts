import { createApi } from './api.ts'
import { config } from './config.ts'
import { openService } from './service.ts'
import { onShutdown } from './shutdown.ts'

const service = openService('api', config.databaseUrl ?? '')
const api = createApi(service)
onShutdown(async () => {
  await api.close() // takes no new requests, and answers those that it has
  await service.close()
})
await service.bus.start()
await api.listen({ port: config.port, host: '127.0.0.1' })
