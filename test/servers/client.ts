// Asks servers of another process, until its stdin ends, and prints what it has got.
//   node client.js <AskingOptions as JSON>
import { once } from 'node:events';
import { Asking, type AskingOptions } from './asking.js';

const asking = new Asking(JSON.parse(process.argv[2]!) as AskingOptions);
process.stdin.resume();
await once(process.stdin, 'end');
console.log(JSON.stringify(await asking.stop()));
