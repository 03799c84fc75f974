/// <reference types="node" preserve="true" />
/** The public surface: re-exports only, imported by nobody in here. */
export { ClientProcessManager, type AcquireOptions, type CallOptions, type StopOptions } from './client-process-manager.js'
export { defineConfig, type OneServerConfig, type ServerConfig } from './define-config.js'
export { OneServerError, type OneServerErrorCode, type OneServerErrorData } from './errors.js'
export type { OneServerEvent } from './events.js'
export { fromConfig, type FromConfigOptions } from './from-config.js'
export type { ClientProcessManagerOptions, Coordination, Duration } from './options/options.js'
export type {
  AdoptedStatus, Lease, LeaseStatus, ReadyStatus, ServerInfo, ServerStatus, StartingStatus, StoppedStatus, UnhealthyStatus,
} from './server-info.js'
