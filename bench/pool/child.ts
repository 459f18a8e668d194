// A process that calls what it is asked for.
import { functions, type Name } from './work.js';

interface Question {
  id: number;
  name: Name;
  arg: never;
}

process.on('message', ({ id, name, arg }: Question) => {
  process.send!({ id, value: functions[name](arg) });
});
