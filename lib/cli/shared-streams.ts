/**
 * Streams that stay as they are, for a process that shares them with the program that it runs. Node's own stream for a pipe
 * makes the pipe non-blocking, for every process that writes there: other jobs of a `make -j` would lose what does not fit
 * at once (EAGAIN, "Resource temporarily unavailable"). To leave Node's streams alone is not enough: Node's net asks for
 * process.stderr when it closes a socket, and a module that imports node:process asks for all three.
 *
 * A terminal needs no such stream: Node opens it a second time for itself.
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
        // These are words about progress: the work goes on even where nobody can read them.
      }
      done()
    },
  })

/** Call it before anything asks for one of the streams. */
export const shareStreams = (): void => {
  const streams = { stdin: [0, () => Readable.from([])], stdout: [1, writable], stderr: [2, writable] } as const
  for (const [name, [fd, make]] of Object.entries(streams)) {
    if (!isatty(fd)) Object.defineProperty(process, name, { value: make(fd), configurable: true, enumerable: true })
  }
}
