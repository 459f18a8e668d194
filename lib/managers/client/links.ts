// The servers that this process knows.
import { channel } from 'node:diagnostics_channel';
import { inspect, isDeepStrictEqual } from 'node:util';
import { AuthenticationError } from '../../common/errors.js';
import { onForkedChild, thisProcess } from '../../common/per-process.js';
import type { Address } from '../../connection/address.js';
import { registerAtFork } from '../../fork/at-fork.js';
import type { ForkMessage } from '../../fork/fork.js';
import { currentProcess } from '../../process/process.js';
import type { Origin } from '../../serialize/origin.js';
import { type Home, makeProxy, noteArrival, Reference, type Token } from '../protocol/reference.js';
import { areAlike, proxyTypeOf } from '../registrations.js';
import { type LinkPolicy, ServerLink } from './server-link.js';

/** The server that this process is. */
export interface OwnServer {
  readonly whereabouts: Whereabouts;
  readonly identity: string;
  /** The proxy, in this process, for an object of its own. */
  adopt(token: Token): object;
}

/** Which server, and how to get there. */
export interface Whereabouts {
  address: Address;
  authkey: Uint8Array;
  /** undefined: whichever is there. */
  server: string | undefined;
  /** Of the managers that are to use it. */
  managerClass?: object | undefined;
}

const links = new Set<ServerLink>();
const own = new Map<string, OwnServer>();

const policy: LinkPolicy = {
  mustNotBlock: () => own.size > 0,
  adopt: (token, link) => adopt(token, link.source.origin),
  onConnected: (link) => links.add(link),
  onUnreachable(link) {
    if (!link.isKnown) links.delete(link);
  },
};

/** This process is a server. @returns a function that takes that back */
export function addOwnServer(server: OwnServer): () => void {
  own.set(server.identity, server);
  return () => own.delete(server.identity);
}

function makeLink({ address, authkey, server, managerClass }: Whereabouts): ServerLink {
  const link = new ServerLink({ address, authkey, binding: { server } }, policy);
  link.managerClass = managerClass;
  for (const each of links) if (each.isLost) links.delete(each);
  links.add(link);
  watchForks();
  return link;
}

/**
 * Whether a link has the right server. A server that a message has named does not count before it
 * has answered.
 */
function leadsTo(link: ServerLink, server: string | undefined): boolean {
  if (server !== undefined) return link.server === server;
  return link.isKnown || link.server === undefined;
}

function fits(link: ServerLink, { address, authkey, server, managerClass }: Whereabouts): boolean {
  if (link.isLost || !leadsTo(link, server) || !link.hasKey(authkey)) return false;
  const isOfBoth = managerClass !== undefined && link.managerClass !== undefined;
  if (isOfBoth && !areAlike(managerClass, link.managerClass!)) return false;
  return isDeepStrictEqual(link.address, address);
}

/** Code with another key gets another link: it cannot use one that was made with the right key. */
export function linkTo(whereabouts: Whereabouts): ServerLink {
  for (const link of links) {
    if (!fits(link, whereabouts)) continue;
    link.managerClass ??= whereabouts.managerClass;
    return link;
  }
  return makeLink(whereabouts);
}

/** As {@link linkTo}, to a server that this process has started, or was. */
export function linkToOwn(whereabouts: Whereabouts): ServerLink {
  const link = linkTo(whereabouts);
  link.isKnown = true;
  return link;
}

/** Closes the connections to a server that is not there any more. */
export function forgetLinks(server: string): void {
  for (const link of links) {
    if (link.server !== server) continue;
    link.close();
    links.delete(link);
  }
}

function knownLink({ address, server }: Home): ServerLink | undefined {
  for (const link of links) {
    const isRight = link.isKnown && !link.isLost && link.server === server;
    if (isRight && isDeepStrictEqual(link.address, address)) return link;
  }
  return undefined;
}

/** The proxy for an object of any server, from another process. Connects to nobody. */
export function adopt(token: Token, origin: Origin): object {
  const home = token.home!;
  const here = own.get(home.server);
  if (here !== undefined) return here.adopt(token);
  return noteArrival(knownLink(home)?.adopt(token) ?? adoptLater(token, origin));
}

/** A proxy that looks for its server when it is used. */
function adoptLater(token: Token, origin: Origin): object {
  const owner = thisProcess;
  const home = token.home!;
  const reference: Reference = new Reference(() => {
    const link = findLink(home, origin);
    // In a child that was forked meanwhile the ticket is the parent's to give back.
    const ticket = owner === thisProcess ? home.ticket : '';
    const ours = { ...token, home: { ...home, ticket } };
    reference.kept = link.adopt(ours, () => reference.proxy!);
    return link;
  }, token);
  return makeProxy(reference, proxyTypeOf(undefined, token.typeid));
}

/**
 * An address in a message is anybody's word. So what is shown there is the key that its sender has
 * shown to have, and never another one.
 */
function findLink(home: Home, origin: Origin): ServerLink {
  const known = knownLink(home);
  if (known !== undefined) return known;
  const { address, server } = home;
  const authkey = origin.isFamily ? currentProcess().authkey : origin.authkey;
  if (authkey !== undefined) return linkTo({ address, authkey, server });
  throw new AuthenticationError(
    `this process does not know the manager's server at ${inspect(address)}, and whoever has sent the proxy has ` +
      `not shown any key: connect() to that manager first, or use an authkey for the connection`,
  );
}

let isWatching = false;

function watchForks(): void {
  if (isWatching) return;
  isWatching = true;
  registerAtFork({
    before() {
      for (const link of links) {
        link.noteFork(undefined);
        link.prepareFork();
      }
    },
  });
  channel('truefork:fork').subscribe((message) => {
    const { pid } = message as ForkMessage;
    for (const link of links) link.noteFork(pid);
  });
}

onForkedChild(() => {
  for (const link of links) link.becomeChild();
  for (const { whereabouts } of own.values()) linkToOwn(whereabouts);
  own.clear();
});
