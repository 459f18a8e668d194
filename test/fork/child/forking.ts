// Forks some children, one after the other, that do nothing.   node forking.js Process|fork <count>
import { Process } from 'truefork';
import { fork, waitpid } from 'truefork/posix';

const [, , kind, count] = process.argv;

function target(): void {}

for (let i = 0; i < Number(count); i++) {
  if (kind === 'Process') {
    const child = new Process({ target });
    child.start();
    await child.join();
  } else {
    const pid = fork();
    if (pid === 0) {
      target();
      process.exit();
    }
    waitpid(pid);
  }
}
