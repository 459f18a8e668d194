import { assertType } from '../../common/validate.js';
// How proxies go to other processes: through pipes and queues as well as to a server and back.
import { currentOrigin } from '../../serialize/origin.js';
import { type Luggage, makeShareable, type Recipe } from '../../serialize/shareables.js';
import { assertToken, referenceOf, type Token } from '../protocol/reference.js';
import { currentCodec } from '../protocol/values.js';
import { adopt } from './links.js';

function takeApart(proxy: object, luggage: Luggage): Token {
  // A getter of a value that is written may write to somewhere else.
  const codec = luggage.carriage === 'managed' ? currentCodec() : undefined;
  if (codec !== undefined) return codec.toToken(proxy);
  const { target, id, typeid, kind, shape } = referenceOf(proxy);
  const home = target.homeOf(id);
  luggage.onDiscard(() => target.takeBack(id, home));
  return { id, typeid, kind, shape, home };
}

function putTogether(token: Token): object {
  assertToken(token);
  const codec = currentCodec();
  if (codec !== undefined) return codec.fromToken(token) as object;
  assertType(token.home !== undefined, 'token', 'one that says where the object is', token);
  return adopt(token, currentOrigin());
}

const recipe: Recipe<object, Token> = { takeApart, putTogether };

/** Objects with this prototype are proxies that can be sent. */
export function makeProxiesSendable(name: string, prototype: object): void {
  makeShareable(`manager's ${name}`, { prototype }, recipe);
}
