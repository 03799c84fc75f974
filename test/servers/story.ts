/**
 * The one story that is told of each server: many clients at once and one server; its leader goes and it is used on; it is killed and
 * a fresh one starts; it is stopped and nothing is left; leases hold it and the last one ends it; it fails once and for all clients.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { ServerInfo, ReadyStatus } from '../../lib/index.js'
import { isAlive, resultOf, send, stateOf } from '../support/clients.js'
import { isListening, type Seen } from './machine.js'
import { openRoom, slowly, type Room } from './room.js'
import type { Row } from './row.js'

const CLIENTS = 5
/** ms; the idle time of the room is half of it. */
const LONGER_THAN_IDLE = 2500

const shown = (found: readonly Seen[]): string[] => found.map(({ pid, commandLine }) => `${pid} ${commandLine}`)

/** Asserts what is true of a server whenever several clients have asked for it, and returns what they got. */
const shared = async (t: Test, room: Room, row: Row, runs: number, what: string): Promise<ServerInfo> => {
  const infos = (await room.crowd(CLIENTS)).map((ended) => resultOf(ended).info)
  const [first] = infos
  t.same(infos.map(({ url }) => url), infos.map(() => first!.url), `${what}: ${CLIENTS} clients have the same URL`)
  t.equal(room.leaders().length, runs, `${what}: the command has run ${runs === 1 ? 'once' : `${runs} times`}`)
  await answers(t, room, row, first!.url, what)
  const found = room.found()
  const servers = found.filter(({ commandLine }) => row.server.test(commandLine))
  if (row.leader === 'serves') t.equal(servers.length, row.processes ?? 1, `${what}: one server`, { found: shown(found) })
  else if (row.restartedBy === undefined) t.ok(servers.length > 0, `${what}: the server is there`, { found: shown(found) })
  return { ...first!, started: infos.some(({ started }) => started) }
}

/** Asserts that a server answers: at once, unless its own supervisor may be starting it again. */
const answers = async (t: Test, room: Room, { restartedBy }: Row, url: string, what: string): Promise<void> => {
  const ask = (): Promise<unknown> => room.answer(url).catch((error: unknown) => error)
  const once = async (): Promise<unknown> => {
    const text = await ask()
    return typeof text === 'string' && text
  }
  const text = restartedBy === undefined ? await ask() : await slowly(once, 'an answer')
  t.type(text, 'string', `${what}: the URL answers`, { text })
}

/** The leader goes, by itself or by SIGKILL; returns when it has gone. */
const loseLeader = async (room: Room, { leader }: Row): Promise<void> => {
  const pid = room.leaders().at(-1)!
  if (leader === 'wraps') send(pid, 'SIGKILL')
  await slowly(() => !isAlive(pid), `the leader, PID ${pid}, to go`)
}

const headless = async (t: Test, room: Room, row: Row, { url, launchId }: ServerInfo): Promise<void> => {
  await loseLeader(room, row)
  const again = await shared(t, room, row, 1, 'its leader has gone')
  t.match(again, { url, launchId, started: false }, 'its leader has gone: the launch is still used')
  const status = await room.ask<ReadyStatus>('status')
  t.match(status, { state: 'ready', url, launchId, isHeadless: true }, 'its leader has gone: status says so')
  const found = room.found()
  const isOfIt = found.some(({ pid }) => pid === status.pid)
  t.ok(isOfIt, 'its leader has gone: the PID is a process of it', { pid: status.pid, found: shown(found) })
}

const restarted = async (t: Test, room: Room, row: Row, { url, launchId }: ServerInfo): Promise<void> => {
  const before = await room.answer(url)
  room.touch(row.restartedBy!)
  const during = await shared(t, room, row, 1, 'while a file changes')
  t.match(during, { url, launchId, started: false }, 'while a file changes: the launch is still used')
  const isOther = (text: string): string | false => text !== before && text
  const now = await slowly(() => room.answer(url).then(isOther, () => false), 'the server to be restarted')
  t.not(now, before, 'a file has changed: another process serves at the same URL')
}

/** Asserts that nothing of the server is left. Watchdogs and reapers end a moment after the call that stopped the server. */
const nothingLeft = async (t: Test, room: Room, port: number, what: string): Promise<void> => {
  t.same(shown(room.found().filter(({ isWatch }) => !isWatch)), [], `${what}: no process of it is left`)
  t.notOk(isListening(port), `${what}: nothing listens on its port`)
  await slowly(() => room.found().length === 0, 'the watchdogs to end')
  t.same(room.state(), [], `${what}: no state is left`)
}

const leased = async (t: Test, room: Room, row: Row): Promise<void> => {
  const runs = room.leaders().length + 1
  const [one, two] = await Promise.all([room.hold(), room.hold()])
  t.equal(room.leaders().length, runs, 'two clients that take leases at once start one server')
  if (row.leader !== 'serves') await loseLeader(room, row)
  const three = await room.hold()
  t.same([two, three].map(({ server }) => server.url), [one, one].map(({ server }) => server.url), 'each lease is on the same server')
  await Promise.all([one.release(), two.release()])
  await sleep(LONGER_THAN_IDLE)
  await answers(t, room, row, one.server.url, 'one lease holds it')
  await three.release()
  await slowly(() => room.found().length === 0, 'the server to end after its last lease')
  await nothingLeft(t, room, one.server.port, 'after the last lease')
  t.equal(room.leaders().length, runs, 'no lease started another server')
}

const failing = async (t: Test, room: Room, { fails }: Row): Promise<void> => {
  const runs = room.leaders().length + 1
  const ended = await room.crowdThatFails(CLIENTS, fails)
  const codes = ended.map(({ error, result }) => error?.code ?? result?.info)
  t.same(codes, codes.map(() => 'SERVER_EXITED'), 'a command that fails: each client gets SERVER_EXITED')
  t.equal(room.leaders().length, runs, 'a command that fails has run once')
  t.same(shown(room.found()), [], 'a command that fails leaves no process')
  // A client that fails hurries, so a PID file may be left where another client had the lock; the next call that writes removes it.
  t.equal(await room.ask<boolean>('isServerRunning'), false, 'a command that fails: nothing runs')
  // The reason of the failure is kept for five seconds, for clients that began before it.
  t.same(room.state().filter((name) => name !== 's.pid.d'), [], 'a command that fails leaves no PID file and no lock')
}

/** The story of a server that cannot be told from a stranger's: it is not shared, and each client hears why. */
const escaping = async (t: Test, room: Room, row: Row): Promise<void> => {
  const ended = await room.crowdThatFails(CLIENTS, row.command)
  const codes = ended.map(({ error, result }) => error?.code ?? result?.info)
  t.same(codes, codes.map(() => 'SERVER_EXITED'), 'it escapes: each client gets SERVER_EXITED')
  t.match(ended[0]?.error, { exitCode: 0, hint: /foreground/ }, 'it escapes: the hint names the cause')
  t.equal(room.leaders().length, 1, 'it escapes: the command has run once')
  // One that has not dropped every sign yet is ended with its launch.
  const found = room.found()
  t.ok(found.length <= 1, 'it escapes: there is no second one', { found: shown(found) })
}

/** Tells the story of one server. */
export const tell = async (t: Test, row: Row): Promise<void> => {
  const room = openRoom(t, row)
  if (row.leader === 'escapes') return escaping(t, room, row)
  const first = await shared(t, room, row, 1, 'a cold start')
  t.equal(first.started, true, 'a cold start: one client has started it')
  if (row.restartedBy !== undefined) await restarted(t, room, row, first)
  if (row.leader !== 'serves') await headless(t, room, row, first)

  const killed = room.found().map(({ pid }) => pid)
  if (row.leader === 'serves') send(room.leaders().at(-1)!, 'SIGKILL')
  else await room.killAll()
  if (row.readsPids) await slowly(() => killed.every((pid) => stateOf(pid) === undefined), 'PID 1 to reap what was killed')
  const second = await shared(t, room, row, 2, 'after a kill')
  t.equal(second.started, true, 'after a kill: a fresh one starts')
  t.not(second.launchId, first.launchId, 'after a kill: it is another launch')

  t.equal(await room.ask<boolean>('stopServer'), true, 'stop: a server has run')
  await nothingLeft(t, room, second.port, 'stop')
  await leased(t, room, row)
  await failing(t, room, row)
}
