// The servers that this process knows.
import { channel } from 'node:diagnostics_channel';
import { isDeepStrictEqual } from 'node:util';
import type { Address } from '../connection/address.js';
import { type ForkMessage, onForkedChild, registerAtFork } from '../posix/fork.js';
import { currentProcess } from '../process.js';
import type { Token } from './reference.js';
import { type LinkPolicy, ServerLink } from './server-link.js';

/** The server that this process is. */
export interface OwnServer {
  readonly identity: string;
  /** The proxy, in this process, for an object of its own. */
  adopt(token: Token): object;
}

const links = new Set<ServerLink>();
let own: OwnServer | undefined;

const policy: LinkPolicy = {
  mustNotBlock: () => own !== undefined,
  adopt,
};

/** From now on this process is a server; undefined: not any more. */
export function setOwnServer(server: OwnServer | undefined): void {
  own = server;
}

function linksTo(address: Address): ServerLink[] {
  return [...links].filter((link) => isDeepStrictEqual(link.address, address) && !link.isLost);
}

function makeLink(address: Address, authkey: Uint8Array): ServerLink {
  const link = new ServerLink(address, authkey, policy);
  for (const each of links) if (each.isLost) links.delete(each);
  links.add(link);
  watchForks();
  return link;
}

/** Who has another key has another link, and cannot use that of somebody whose key is right. */
export function linkTo(address: Address, authkey: Uint8Array): ServerLink {
  return linksTo(address).find((link) => link.hasKey(authkey)) ?? makeLink(address, authkey);
}

/** Closes the connections to a server that is not there any more. */
export function forgetLinks(address: Address): void {
  for (const link of linksTo(address)) {
    link.close();
    links.delete(link);
  }
}

/** The proxy for an object of any server, from another process. */
export function adopt(token: Token): object {
  const { address, server } = token.home!;
  if (own?.identity === server) return own.adopt(token);
  const link = linksTo(address).find((each) => each.isConnected);
  return (link ?? linkTo(address, currentProcess().authkey)).adopt(token);
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
  own = undefined;
  for (const link of links) link.becomeChild();
});
