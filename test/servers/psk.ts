// TLS without certificates: client and server know the same key.
import type { TlsOptions, ConnectionOptions } from 'node:tls';

const key = Buffer.from('0123456789abcdef0123456789abcdef', 'hex');
const common = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const;

export const serverTls: TlsOptions = { ...common, pskCallback: () => key };

export const clientTls: ConnectionOptions = {
  ...common,
  pskCallback: () => ({ psk: key, identity: 'client' }),
  checkServerIdentity: () => undefined,
};
