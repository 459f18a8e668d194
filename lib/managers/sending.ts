// How proxies go to other processes: through pipes and queues as well as to a server and back.
import { makeShareable, type Recipe } from '../shareables.js';
import { assertType } from '../validate.js';
import { adopt } from './links.js';
import { referenceOf, type Token } from './reference.js';
import { currentCodec } from './values.js';

function takeApart(proxy: object): Token {
  const codec = currentCodec();
  if (codec !== undefined) return codec.toToken(proxy);
  const { target, id, typeid, kind, shape } = referenceOf(proxy);
  return { id, typeid, kind, shape, home: target.homeOf(id, proxy) };
}

/** A peer may have made it up. */
function assertToken(token: unknown): asserts token is Token {
  const { id, typeid, kind, home } = (token ?? {}) as Partial<Token>;
  const isRight = typeof id === 'number' && typeof typeid === 'string' && typeof kind === 'string';
  assertType(isRight, 'token', 'that of a proxy', token);
  if (home === undefined) return;
  const isHome = typeof home.server === 'string' && typeof home.ticket === 'string';
  assertType(isHome, 'token', 'that of a proxy', token);
}

function putTogether(token: Token): object {
  assertToken(token);
  const codec = currentCodec();
  if (codec !== undefined) return codec.fromToken(token) as object;
  assertType(token.home !== undefined, 'token', 'one that says where the object is', token);
  return adopt(token);
}

const recipe: Recipe<object, Token> = { takeApart, putTogether };

/** Objects with this prototype are proxies that can be sent. */
export function makeProxiesSendable(name: string, prototype: object): void {
  makeShareable(`manager's ${name}`, { prototype }, recipe);
}
