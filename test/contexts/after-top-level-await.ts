import { sleep } from '../support/observe.js';
import { finish, forkNow } from './harness.js';

await sleep(2);
forkNow();
await finish();
