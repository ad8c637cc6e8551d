import 'reflect-metadata'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { CommandBus, CommandHandler, CqrsModule, EventBus, EventsHandler } from '@nestjs/cqrs'
import type { INestApplicationContext, Type } from '@nestjs/common'
import type { Handlers } from '../handlers.ts'
import type { Rival } from '../side.ts'

class Ticked {
  readonly payload: { readonly n: number }
  constructor(n: number) {
    this.payload = { n }
  }
}

class Add {
  readonly n: number
  constructor(n: number) {
    this.n = n
  }
}

/** Node strips types only, so decorators are called as the functions that they are. */
const start = (providers: readonly Type[]): Promise<INestApplicationContext> => {
  class Application {}
  Module({ imports: [CqrsModule.forRoot()], providers: [...providers] })(Application)
  return NestFactory.createApplicationContext(Application, { logger: false })
}

const eventHandlers = (handlers: Handlers): Type[] =>
  handlers.all.map((handler) => {
    class Listens {
      handle(event: Ticked): Promise<void> | void {
        return handler(event)
      }
    }
    EventsHandler(Ticked)(Listens)
    return Listens
  })

export const nestEvents: Rival = {
  name: '@nestjs/cqrs EventBus',
  caveat: 'no ids, queue, priorities, or order; its publisher cannot wait for handlers',
  prepare: async (handlers) => {
    const application = await start(eventHandlers(handlers))
    await application.init()
    const bus = application.get(EventBus)
    return {
      publish: (n) => bus.publish(new Ticked(n)),
      idle: () => handlers.settled(),
      close: () => application.close(),
    }
  },
}

/** Executes commands with one asynchronous handler. */
export const nestCommands = async (): Promise<(n: number) => Promise<number>> => {
  class Adds {
    async execute({ n }: Add): Promise<number> {
      return n + 1
    }
  }
  CommandHandler(Add)(Adds)
  const application = await start([Adds])
  await application.init()
  const bus = application.get(CommandBus)
  return (n) => bus.execute<Add, number>(new Add(n))
}
