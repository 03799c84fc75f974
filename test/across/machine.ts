/** A steward's machine in the simulation: each call of the seam is a step, and has its effect in the moment in which it is answered. */
import type { Intention, Local, Running } from '../../lib/across/local.js'
import type { Instant } from '../../lib/across/term.js'
import { serverExited, type OneServerError } from '../../lib/errors.js'
import { Actor, type Launch, type Server, type Site, type World } from './world.js'

export const urlOf = (site: Site): string => `http://${site.name}:8000/`

export const localOf = (world: World, site: Site, launch: Launch): Local => {
  const { actor } = launch
  const { host } = site
  const { broken, boot = 300, stopping = 100, failures = 0 } = world.options
  const step = <T>(name: string, effect: () => T): Promise<T> => new Promise((resolve) => world.step(actor, name, () => resolve(effect())))
  /** What has its effect before the steward hears of it. */
  const twoSteps = async <T>(name: string, effect: () => T): Promise<T> => {
    const value = await step(name, effect)
    await step('goes on', () => {})
    return value
  }
  const fuse = new Actor(`fuse of ${actor.name}`, host)
  const asked = new Promise<void>((resolve) => { launch.ask = () => world.step(actor, 'is asked to end', resolve) })
  const unguarded = new Promise<void>((resolve) => { launch.fuseGone = () => world.step(actor, 'has no fuse any more', resolve) })

  const runningOf = (server: Server): Running => {
    const failsToStart = !world.isCalm && world.attempts <= failures
    let isReady: (error: OneServerError | undefined) => void
    const ready = new Promise<OneServerError | undefined>((resolve) => { isReady = resolve })
    const died = (): OneServerError => serverExited(failsToStart ? { exitCode: 3 } : { signal: 'SIGKILL' })
    world.after(host, boot, () => {
      if (failsToStart) world.kill(server)
      else if (server.isAlive) world.step(actor, 'finds the server ready', () => isReady(undefined))
    })
    const gone = new Promise<OneServerError>((resolve) => {
      server.died.push(() => world.step(actor, 'sees the server dead', () => {
        isReady(died())
        resolve(died())
      }))
    })
    return {
      pid: 1000 + server.epoch, ready, gone,
      open: (serves) => twoSteps('opens the door', () => {
        launch.door = broken === 'doorIgnoresTerm' ? () => true : serves
        return urlOf(site)
      }),
      shut: () => { launch.door = undefined },
      async stop(within) {
        await step('signals the server', () => {
          world.after(host, stopping, () => world.kill(server))
          const watch = (): unknown => world.after(host, Math.max(within(), 10), () => (within() > 10 ? server.isAlive && watch() : world.kill(server)))
          watch()
        })
        if (broken !== 'releaseFirst') await gone
      },
    }
  }

  return {
    host: site.name, where: host.where, launch: launch.id,
    self: { pid: 10_000 + Number.parseInt(launch.id, 16), start: '1', group: 10_000 + Number.parseInt(launch.id, 16) },
    instant: () => host.instant(world.now),
    today: () => new Date(0),
    sleep: (ms, wake) => new Promise((resolve) => {
      let isAwake = false
      const awake = (): void => {
        if (isAwake) return
        isAwake = true
        cancel()
        world.step(actor, 'wakes', resolve)
      }
      const cancel = world.after(host, ms, awake)
      void wake?.then(awake)
    }),
    isDead: (claim) => step('judges the owner', () => {
      const other = world.launches.find(({ id }) => id === claim.launch)
      return claim.where === host.where && other !== undefined && other.actor.isDead && other.server?.isAlive !== true
    }),
    asked, unguarded,
    isStopped: () => step('looks for a stop', () => launch.isStopped),
    arm: (sent: Instant, burnsAfter: number) => new Promise((resolve) => {
      world.step(fuse, `arms for ${Math.round(burnsAfter)} ms from ${Math.round(sent.monotonic)}`, () => {
        if (launch.isFuseDead || actor.isDead) return
        launch.fuse?.cancel()
        const left = sent.monotonic + burnsAfter - host.instant(world.now).monotonic
        launch.fuse = { cancel: broken === 'noFuse' ? () => {} : world.after(host, left, () => world.burn(site, launch)) }
        world.step(actor, 'hears that the fuse is armed', resolve)
      })
    }),
    start: (epoch) => twoSteps('starts the server', () => {
      const server: Server = { launch: launch.id, epoch, site, isAlive: true, isExcused: launch.isFuseDead, died: [] }
      world.attempts++
      world.servers.push(server)
      launch.server = server
      world.note(`server ${epoch} runs on ${site.name}`)
      world.checks.started(server)
      return runningOf(server)
    }),
    tell: (at) => world.tell(site, launch, at),
    fail: (error) => step(`fails: ${error.code}`, () => { launch.failure ??= error }),
    check: (url) => step('checks the URL', () => (isOpen(world, url) ? undefined : 'connection refused')),
    isAnswering: () => step('asks whether it answered', () => launch.at && isOpen(world, launch.at.url)),
    hold: () => step('holds its launch', () => { launch.isHeld = true }),
    isUsed: () => step('looks for clients', () => launch.clients.size > 0),
    intend: () => step('intends to end', (): Intention => {
      const intention = {}
      launch.intention = intention
      return {
        carryOut: () => step('carries its intention out', () => {
          if (launch.intention !== intention || launch.isEnded) return false
          launch.isEnded = true
          world.checks.unused(site, launch)
          return true
        }),
        takeBack: () => step('takes its intention back', () => { if (launch.intention === intention) launch.intention = undefined }),
      }
    }),
    onChange: () => {},
    note: (line) => world.note(`${actor.name} says: ${line}`),
  }
}

const isOpen = (world: World, url: string): boolean => {
  const site = world.sites.find((one) => urlOf(one) === url)
  return site?.launch?.server?.isAlive === true && site.launch.door?.() === true
}
