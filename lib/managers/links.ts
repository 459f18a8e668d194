// The servers that this process knows.
import { channel } from 'node:diagnostics_channel';
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

const links = new Map<string, ServerLink>();
let own: OwnServer | undefined;

const policy: LinkPolicy = {
  mustNotBlock: () => own !== undefined,
  adopt,
};

/** From now on this process is a server; undefined: not any more. */
export function setOwnServer(server: OwnServer | undefined): void {
  own = server;
}

function nameOf(address: Address): string {
  return JSON.stringify(address);
}

/** @param authkey default: this process's */
export function linkTo(address: Address, authkey?: Uint8Array): ServerLink {
  const name = nameOf(address);
  let link = links.get(name);
  if (link === undefined || link.isLost) {
    link = new ServerLink(address, authkey ?? currentProcess().authkey, policy);
    links.set(name, link);
    watchForks();
  }
  return link;
}

/** Closes the connections to a server that is not there any more. */
export function forgetLink(address: Address): void {
  links.get(nameOf(address))?.close();
  links.delete(nameOf(address));
}

/** The proxy for an object of any server, from another process. */
export function adopt(token: Token): object {
  const { address, server } = token.home!;
  if (own?.identity === server) return own.adopt(token);
  return linkTo(address).adopt(token);
}

let isWatching = false;

function watchForks(): void {
  if (isWatching) return;
  isWatching = true;
  registerAtFork({
    before() {
      for (const link of links.values()) {
        link.noteFork(undefined);
        link.prepareFork();
      }
    },
  });
  channel('truefork:fork').subscribe((message) => {
    const { pid } = message as ForkMessage;
    for (const link of links.values()) link.noteFork(pid);
  });
}

onForkedChild(() => {
  own = undefined;
  for (const link of links.values()) link.becomeChild();
});
