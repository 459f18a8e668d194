// Forks from a call site in call-sites.ts: node call-site.js start|fork <log> <name>
import { callSites } from './call-sites.js';
import { finish, forkNow } from './harness.js';

void callSites[process.argv[4]!]!(forkNow).then(finish);
