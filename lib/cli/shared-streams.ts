/**
 * Streams that are left as they are, for a process that shares them with the program that it runs. Node's
 * own stream for a pipe makes it non-blocking, and that is a property of the pipe's end, not of this
 * process: whoever else writes there, such as the other jobs of a `make -j`, would lose what does not fit
 * at once (EAGAIN, "Resource temporarily unavailable"). Nor is it enough not to use it: Node's net asks
 * for process.stderr whenever a socket is closed, and a module that imports node:process for all three.
 *
 * A terminal is left to Node, which opens it anew for itself.
 */
import { writeFileSync } from 'node:fs'
import { Readable, Writable } from 'node:stream'
import { isatty } from 'node:tty'

const writable = (fd: number): Writable =>
  new Writable({
    write(chunk: Buffer, _, done) {
      try {
        writeFileSync(fd, chunk)
      } catch {
        // Words about what happens: with nobody there to read them, the work goes on.
      }
      done()
    },
  })

/** To be called before anything has asked for one of them. */
export const shareStreams = (): void => {
  const streams = { stdin: [0, () => Readable.from([])], stdout: [1, writable], stderr: [2, writable] } as const
  for (const [name, [fd, make]] of Object.entries(streams)) {
    if (!isatty(fd)) Object.defineProperty(process, name, { value: make(fd), configurable: true, enumerable: true })
  }
}
