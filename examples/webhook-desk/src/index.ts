// What other examples take from here.
export { type Delivery, knownFrom, readDeliveries } from './deliveries.ts'
export { Desk } from './desk.ts'
export { feed } from './feed.ts'
export { Journal } from './journal.ts'
export { type Services, simulatedServices } from './services.ts'
