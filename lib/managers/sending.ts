// How proxies go to other processes: through pipes and queues as well as to a server and back.
import { makeShareable, type Recipe } from '../shareables.js';
import { assertType } from '../validate.js';
import { adopt } from './links.js';
import { assertToken, referenceOf, type Token } from './reference.js';
import { currentCodec } from './values.js';

function takeApart(proxy: object): Token {
  const codec = currentCodec();
  if (codec !== undefined) return codec.toToken(proxy);
  const { target, id, typeid, kind, shape } = referenceOf(proxy);
  return { id, typeid, kind, shape, home: target.homeOf(id, proxy) };
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
