// Tasks for daemons: words are counted in files, and the program ends when all that it
// has put into the queue is done. Nobody has to tell the daemons: they end with it.
//
//   node out/examples/joinable-queue.js [file]...
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cpuCount, JoinableQueue, Process, Queue } from 'truefork';

const files = process.argv.slice(2);
if (files.length === 0) files.push(fileURLToPath(import.meta.url));

const tasks = new JoinableQueue<string>();
const results = new Queue<{ file: string; words: number } | { file: string; error: string }>();

function countWords(file: string): number {
  return readFileSync(file, 'utf8').match(/\S+/g)?.length ?? 0;
}

async function work(): Promise<void> {
  for await (const file of tasks) {
    try {
      await results.put({ file, words: countWords(file) });
    } catch (error) {
      await results.put({ file, error: (error as Error).message });
    }
    tasks.taskDone();
  }
}

for (let i = 0; i < cpuCount(); i++) new Process({ target: work, daemon: true }).start();
for (const file of files) await tasks.put(file);
await tasks.join();

let total = 0;
while (!results.empty()) {
  const result = results.getNowait();
  if ('error' in result) {
    console.error(`joinable-queue: ${result.error}`);
    process.exitCode = 1;
    continue;
  }
  console.log(`${result.words} ${result.file}`);
  total += result.words;
}
if (files.length > 1) console.log(`${total} total`);
