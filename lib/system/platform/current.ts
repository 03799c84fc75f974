/** The one place that asks which system this is. Everybody else asks what the platform answers. */
import { linux, linuxLaunching } from './linux.js'
import { linuxSockets } from './linux-sockets.js'
import { linuxSurroundings } from './linux-surroundings.js'
import { macos, macosLaunching, macosSurroundings } from './macos.js'
import type { Launching, Platform, Programs, Run, Sockets, Surroundings } from './platform.js'
import { posixPrograms } from './posix.js'
import { windows, windowsSurroundings } from './windows.js'
import { windowsLaunching } from './windows-launching.js'
import { windowsPrograms } from './windows-programs.js'

/** node:child_process is loaded by the first run: on Linux a warm call runs nothing, and the module costs more than all its looks. */
const run: Run = (program, args, env = process.env) =>
  new Promise((resolve, reject) => {
    const { execFile } = process.getBuiltinModule('node:child_process')
    const options = { encoding: 'utf8', env, windowsHide: true, maxBuffer: Infinity } as const
    execFile(program, args, options, (error, stdout) => (error === null ? resolve(stdout) : reject(error))).stdin?.destroy()
  })

/** What is neither Linux nor Windows has ps(1), as macOS and the BSDs have. */
const choose = <T>(onLinux: () => T, onMacos: () => T, onWindows: () => T): T =>
  (process.platform === 'linux' ? onLinux : process.platform === 'win32' ? onWindows : onMacos)()

/** Where a system shows nothing about sockets, a connection is all that can be tried. */
const NO_SOCKETS: Sockets = { reachedAt: () => undefined, ownerOf: () => undefined, listensAt: () => [] }

/** Windows tries a refused connection again, for up to three seconds. Only for loopback does Node keep it from that. */
const WINDOWS_SOCKETS: Sockets = { reachedAt: () => undefined, ownerOf: () => undefined, listensAt: () => [], refusalTakes: 3500 }

// Marked as pure, so that a bundle leaves out the groups that it does not use.
export const platform: Platform =
  /* @__PURE__ */ choose<Platform>(() => linux, () => macos(run, process.platform), () => windows(run))
export const launching: Launching =
  /* @__PURE__ */ choose<Launching>(() => linuxLaunching, () => macosLaunching(run), () => windowsLaunching)
export const sockets: Sockets = /* @__PURE__ */ choose<Sockets>(() => linuxSockets, () => NO_SOCKETS, () => WINDOWS_SOCKETS)
export const programs: Programs = /* @__PURE__ */ choose<Programs>(() => posixPrograms, () => posixPrograms, () => windowsPrograms)
export const surroundings: Surroundings =
  /* @__PURE__ */ choose<Surroundings>(() => linuxSurroundings, () => macosSurroundings(run), () => windowsSurroundings)
