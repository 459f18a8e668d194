// How proxies go to other processes: through pipes and queues as well as to a server and back.
import { assertType } from '../../common/validate.js';
import { currentOrigin } from '../../serialize/origin.js';
import { type Attachments, makeShareable, type Recipe } from '../../serialize/shareables.js';
import { assertToken, referenceOf, type Token } from '../protocol/reference.js';
import { currentCodec } from '../protocol/values.js';
import { adopt } from './links.js';

function toParts(proxy: object, attachments: Attachments): Token {
  // A getter of a value that is written may write to somewhere else.
  const codec = attachments.transport === 'managed' ? currentCodec() : undefined;
  if (codec !== undefined) return codec.toToken(proxy);
  const { target, id, typeid, kind, shape } = referenceOf(proxy);
  const home = target.homeOf(id);
  attachments.onDiscard(() => target.takeBack(id, home));
  return { id, typeid, kind, shape, home };
}

function fromParts(token: Token): object {
  assertToken(token);
  const codec = currentCodec();
  if (codec !== undefined) return codec.fromToken(token) as object;
  assertType(token.home !== undefined, 'token', 'one that says where the object is', token);
  return adopt(token, currentOrigin());
}

const recipe: Recipe<object, Token> = { toParts, fromParts };

/** Objects with this prototype are proxies that can be sent. */
export function makeProxiesSendable(name: string, prototype: object): void {
  makeShareable(`manager's ${name}`, { prototype }, recipe);
}
