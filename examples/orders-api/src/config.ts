const DAY_MS = 24 * 60 * 60 * 1000

/** What the environment says. Processes that are started get it from the one that starts them. */
export const config = {
  /** A Postgres server. Without one, the service brings its own. */
  databaseUrl: process.env['DATABASE_URL'],
  /** Where it keeps its data then. */
  dataFolder: process.env['DATA_FOLDER'] ?? 'data',
  port: Number(process.env['PORT'] ?? 3000),
  remindAfterMs: Number(process.env['REMIND_AFTER_DAYS'] ?? 3) * DAY_MS,
  logLevel: process.env['LOG_LEVEL'] ?? 'info',
} as const
