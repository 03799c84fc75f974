/** Whose answer a health check got: a server may say which launch it is, and only the processes of a launch know its id. They may outlive their leader, so an answer with it does not show that the leader lives. */
import { redacted } from '../health/redacted.js'
import type { Healthy, Probe } from '../system/system.js'

/** Whether the server that answered says that it is another launch than this one. */
export const isAnothers = ({ launch }: Healthy, id: string): boolean => launch !== undefined && launch !== id

export const answeredByAnother = (url: string): Probe => ({ healthy: false, reason: `${redacted(url)} is answered by another server, by the launch id that it gives` })
