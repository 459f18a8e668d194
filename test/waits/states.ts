// Programs that wait for one thing, with nothing else alive: one for each call and each state that
// its object can be in. Each ends with the right value, error or timeout, and with exit code 0; if
// a wait did not keep the program alive it would end with 13, and if one did not end the test would
// kill it.
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import {
  Event,
  inChild,
  Process,
  RawValue,
  type SyncWaitOptions,
  type WaitOptions,
} from 'truefork';
import { sleep } from '../support/observe.js';
import type { Scenario, Scenarios } from '../support/scenarios.js';

/** How long the other side takes, after the wait has begun as a rule, in milliseconds. */
const LATER_MS = 50;
/** A timeout that passes, in milliseconds. */
const SHORT_MS = 30;
/** One that nothing should come to, in milliseconds: shorter than the program may take. */
const LONG_MS = 20_000;
/** How long a program may take, in milliseconds. */
const DEADLINE_MS = 60_000;

/** How a wait ends that throws. */
export class Raised {
  readonly name: string;
  /** @param name the error's code, if it has one, or else its name */
  constructor(name: string) {
    this.name = name;
  }
}

/** The other side: a process that does not keep this one alive. */
export class Peer {
  readonly process: Process;
  readonly #go = new Event();

  /**
   * @param act what the wait waits for
   * @param begin done before the wait
   */
  constructor(act: () => unknown, begin: () => unknown = () => {}) {
    const ready = new Event();
    const target = async (): Promise<void> => {
      await begin();
      ready.set();
      await this.#go.wait();
      await sleep(LATER_MS);
      await act();
      await new Promise(() => setInterval(() => {}, LONG_MS));
    };
    this.process = new Process({ target, daemon: true });
    this.process.start();
    assert.ok(ready.waitSync(LONG_MS));
  }

  act(): void {
    this.#go.set();
  }

  kill(): void {
    this.process.kill();
    this.process.joinSync();
  }
}

/** The work of a worker until it is told to end or killed. */
export class Work {
  readonly #go = new Event();
  readonly #pid = new RawValue('i', 0);
  readonly #isToDie = new RawValue('i', 0);

  readonly run = async (): Promise<string> => {
    this.#pid.value = process.pid;
    if (this.#isToDie.value === 1) process.kill(process.pid, 'SIGKILL');
    await this.#go.wait();
    await sleep(LATER_MS);
    return 'done';
  };

  act(): void {
    this.#go.set();
  }

  kill(): void {
    this.#isToDie.value = 1;
    if (this.#pid.value > 0) process.kill(this.#pid.value, 'SIGKILL');
  }
}

/** An object to wait for, and those who are at its other side. */
export interface Subject {
  wait(options: WaitOptions): unknown;
  waitSync?(options: SyncWaitOptions): unknown;
  /** Has the other side do soon what the wait waits for. */
  act(): void;
  /** Kills the other side. */
  kill(): void;
  /** Makes the object usable after a timeout or an abort. */
  recover?(): void;
  /** The steps before the program can end. */
  finish?(): unknown;
}

/** A call that waits. */
export interface Row {
  make(): Subject;
  value: unknown;
  /** The outcome after the timeout; undefined: it has none. */
  timeout?: { is: unknown };
  /** Whether it has no form that blocks. */
  isPromised?: boolean;
  /** Whether it takes no signal. */
  isUnabortable?: boolean;
  /** The outcome when the other side is dead. */
  dead?: { is: unknown };
  /** The outcome when it dies during the wait, if that is another one. */
  died?: { is: unknown };
  /** Whether it is over before the other side can die. */
  isQuick?: boolean;
  /** Whether each process makes its own: it is not shared with children. */
  isOwn?: boolean;
}

function nameOf(error: unknown): string {
  const { name, code } = error as NodeJS.ErrnoException;
  return code ?? name;
}

async function outcomeOf(wait: () => unknown): Promise<unknown> {
  try {
    return await wait();
  } catch (error) {
    return new Raised(nameOf(error));
  }
}

type Form = (subject: Subject, options: WaitOptions) => unknown;

/** Ends well when the other side does its part. */
async function ends(row: Row, subject: Subject, form: Form): Promise<void> {
  subject.act();
  assert.deepEqual(await outcomeOf(() => form(subject, {})), row.value);
  await subject.finish?.();
}

type State = (row: Row, form: Form) => Promise<void>;

async function fresh(row: Row, form: Form): Promise<void> {
  await ends(row, row.make(), form);
}

async function afterTimeout(row: Row, form: Form): Promise<void> {
  const subject = row.make();
  assert.deepEqual(await outcomeOf(() => form(subject, { timeout: SHORT_MS })), row.timeout!.is);
  subject.recover?.();
  await ends(row, subject, form);
}

async function afterAbort(row: Row, form: Form): Promise<void> {
  const subject = row.make();
  // Its timer does not keep the program alive.
  const signal = AbortSignal.timeout(SHORT_MS);
  const outcome = await outcomeOf(() => form(subject, { signal }));
  assert.deepEqual(outcome, new Raised('ABORT_ERR'));
  subject.recover?.();
  await ends(row, subject, form);
}

async function withDeadPeer(row: Row, form: Form): Promise<void> {
  const subject = row.make();
  subject.kill();
  const options = isInVain(row) ? { timeout: SHORT_MS } : {};
  assert.deepEqual(await outcomeOf(() => form(subject, options)), row.dead!.is);
  await subject.finish?.();
}

/** Whether nothing says that the other side is dead. */
function isInVain(row: Row): boolean {
  return isDeepStrictEqual(row.dead?.is, row.timeout?.is);
}

async function whilePeerDies(row: Row, form: Form): Promise<void> {
  const subject = row.make();
  // Neither does this one.
  setTimeout(() => subject.kill(), LATER_MS).unref();
  const { is: expected } = row.died ?? row.dead!;
  assert.deepEqual(await outcomeOf(() => form(subject, {})), expected);
  await subject.finish?.();
}

async function inAChild(row: Row, form: Form): Promise<void> {
  const subject = row.isOwn === true ? undefined : row.make();
  await inChild(() => ends(row, subject ?? row.make(), form));
}

function statesOf(row: Row): Record<string, State> {
  const states: Record<string, State> = { 'by itself': fresh, 'in a child': inAChild };
  if (row.timeout !== undefined) states['after a timeout'] = afterTimeout;
  if (row.dead !== undefined) states['with a dead peer'] = withDeadPeer;
  return states;
}

function program(run: () => Promise<void>): Scenario {
  return { run, options: { timeout: DEADLINE_MS } };
}

function addForm(scenarios: Scenarios, name: string, row: Row, form: Form): void {
  for (const [state, run] of Object.entries(statesOf(row))) {
    scenarios[`${name} ${state}`] = program(() => run(row, form));
  }
}

function addPrograms(scenarios: Scenarios, name: string, row: Row): void {
  const form: Form = (subject, options) => subject.wait(options);
  addForm(scenarios, name, row, form);
  if (row.isUnabortable !== true) {
    scenarios[`${name} after an abort`] = program(() => afterAbort(row, form));
  }
  if (row.dead !== undefined && row.isQuick !== true && !isInVain(row)) {
    scenarios[`${name} while the peer dies`] = program(() => whilePeerDies(row, form));
  }
  if (row.isPromised === true) return;
  addForm(scenarios, `${name}, blocking,`, row, (subject, options) => subject.waitSync!(options));
}

/** The programs of all calls of a kind. */
export function programsOf(rows: Record<string, Row>): Scenarios {
  const scenarios: Scenarios = {};
  for (const [name, row] of Object.entries(rows)) addPrograms(scenarios, name, row);
  return scenarios;
}
