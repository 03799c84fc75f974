/**
 * The ids of leases and watchdogs. A watchdog that removed the lease of a holder that lives would end a server in use. So the leases that
 * share a watchdog have ids that begin alike, with 52 random bits, and it removes those. An older one-server looks for no such
 * beginning, and judges each of them by its process.
 *
 * A lease that has a watchdog of its own has the very id of it.
 */

/** Hex digits that the id of a watchdog and the ids of its leases have in common. */
const SHARED_DIGITS = 13

/** Leases that one watchdog may have. It removes them by one command, which can have only so many words. */
export const LEASES_OF_ONE = 0xfff

/** What is the same in the id of a lease and in that of its watchdog. */
export const watchedAs = (id: string): string => id.slice(0, SHARED_DIGITS)

/** The id of a lease; number 0 is the id of the watchdog. */
export const leaseOf = (random: string, number: number): string =>
  watchedAs(random) + number.toString(16).padStart(16 - SHARED_DIGITS, '0')
