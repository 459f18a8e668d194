// A child changes a dict and a list of its parent's.
import { inChild, Manager } from 'truefork';

using manager = Manager();
const dict = manager.dict<Record<string, unknown>>();
const list = manager.list(Array.from({ length: 10 }, (_, i) => i));

await inChild(() => {
  dict['1'] = 'one';
  dict['two'] = 2;
  dict['nested'] = manager.list(['a list in a dict']);
  list.reverse();
});

console.log(dict);
console.log(list);
