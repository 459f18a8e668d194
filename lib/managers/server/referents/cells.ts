// Values and arrays of a server: as those in shared memory, with their checks.
import { SharedArray } from '../../../sharedctypes/array.js';
import { RawValue } from '../../../sharedctypes/value.js';
import { behaviourOf, setBehaviour } from '../types.js';

type Numbers = SharedArray<'d'>;

setBehaviour(
  RawValue,
  behaviourOf<RawValue<'i'>>('Value', {
    get: (cell) => cell.value,
    set: (cell, [value]) => void (cell.value = value),
    add: (cell, [n]) => cell.add(n),
    exchange: (cell, [value]) => cell.exchange(value),
    compareExchange: (cell, [expected, value]) => cell.compareExchange(expected, value),
    typecode: ({ typecode }) => typecode,
    getValue: (cell) => cell.value,
  }),
);

setBehaviour(
  SharedArray,
  behaviourOf<Numbers>('Array', {
    get: (array, [index]) => array[index],
    set: (array, [index, value]) => array.set(index, value),
    setAll: (array, [values, offset]) => array.set(values, offset),
    fill: (array, args) => void array.fill(...(args as unknown as [number])),
    has: (array, [index]) => index in array,
    lookUp: (array, [index]) => [index in array, array[index]],
    keys: (array) => Object.keys(array),
    length: ({ length }) => length,
    slice: (array, [start, end]) => array.slice(start, end),
    typecode: ({ typecode }) => typecode,
    getValue: (array) => array.slice(),
  }),
);

export { RawValue, SharedArray };
