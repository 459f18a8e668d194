import { finish, forkNow } from './harness.js';

forkNow();
void finish();
