// The messages between clients and servers. All of them are calls of methods of objects; object 0
// is the server itself.
//
// A request: the number of the call, the object, the method, the arguments; and after them the
// tasks that the caller is in, if it is in any.
export const SERVER_ITSELF = 0;

/** In the place of the number of a call: nobody waits for an answer. */
export const NO_ANSWER = 0xffff_ffff;

/** The kinds of replies. */
export const Reply = { value: 0, error: 1 } as const;

/**
 * Methods of the server itself. Methods marked as such have no answer, so that nobody has to wait
 * for a server.
 */
export const Request = {
  /** `(version, session, pid)`: the first. Returns which server it is. */
  hello: 'hello',
  create: 'create',
  /** `(id, count, …)`, told. */
  drop: 'drop',
  /** `(number of the call)`, told. */
  cancel: 'cancel',
  /** `(id, ticket)`, told: keeps an object alive for whoever brings the ticket. */
  hold: 'hold',
  /** `(id, ticket)`, told. */
  redeem: 'redeem',
  /** `(session)`, told: a fork will have references of its own. */
  prepareFork: 'prepareFork',
  /** `(session, pid)`, told: where it is, or undefined if there is none. */
  noteFork: 'noteFork',
  shutdown: 'shutdown',
  numberOfObjects: 'numberOfObjects',
  debugInfo: 'debugInfo',
} as const;

/** The methods for operations that are no methods. */
export const GET = '.';
export const SET = '=';
export const ITERATE = '@@iterator';

/** The outcome of an attempt to acquire something. */
export const Outcome = { timedOut: 0, acquired: 1, recovered: 2 } as const;

/** Both sides must be of one mind. */
export const VERSION = 2;
