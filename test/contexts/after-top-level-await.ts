import { finish, forkNow } from './harness.js';
import { sleep } from '../support/observe.js';

await sleep(2);
forkNow();
await finish();
