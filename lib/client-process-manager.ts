import type { ServerInfo, ServerStatus } from './launch/server-info.js'
import { settle, type ClientProcessManagerOptions, type Settings } from './options.js'

export interface CallOptions { signal?: AbortSignal }

export class ClientProcessManager {
  readonly #settings: Settings
  constructor(options: ClientProcessManagerOptions = {}) { this.#settings = settle(options) }
  ensureServerRunning(_call: CallOptions = {}): Promise<ServerInfo> { return Promise.reject(new Error(`unwritten ${this.#settings.pidFile}`)) }
  isServerRunning(_call: CallOptions = {}): Promise<boolean> { return Promise.reject(new Error('unwritten')) }
  startServer(_call: CallOptions = {}): Promise<number | undefined> { return Promise.reject(new Error('unwritten')) }
  stopServer(_call: CallOptions = {}): Promise<boolean> { return Promise.reject(new Error('unwritten')) }
  status(_call: CallOptions = {}): Promise<ServerStatus> { return Promise.reject(new Error('unwritten')) }
}
