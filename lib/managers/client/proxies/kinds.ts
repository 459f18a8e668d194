// All kinds of proxies that there are.
import { registerKind } from '../../protocol/reference.js';
import { autoMakers } from './auto.js';
import { collectionMakers } from './collections.js';
import { dictMakers } from './dict.js';
import { listMakers } from './list.js';
import { poolMakers } from './pool.js';
import { synchronizeMakers } from './synchronize.js';

const ALL = [autoMakers, collectionMakers, dictMakers, listMakers, poolMakers, synchronizeMakers];

/** Makes them known: tokens say only of which kind a proxy is. */
export function registerProxies(): void {
  for (const makers of ALL) {
    for (const [kind, make] of Object.entries(makers)) registerKind(kind, make);
  }
}
