// What is no id of this store's is the id of nothing in it: it must not become an error of a whole statement.

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Whether it can be the id of a worker, or the token of a lease. */
export const isUuid = (text: string): boolean => UUID.test(text)

/** Whether it can be the key of an event or of a dead letter: a bigint in decimal. */
export const isKey = (text: string): boolean => /^\d{1,18}$/.test(text)

/** A name as an identifier of SQL. */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`
