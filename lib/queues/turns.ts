// Giving way to the event loop. A promise that is resolved at once does not.
import { nextTurn } from '../common/originals.js';

/** How many operations in a row may find what they want at once. */
const MAX_IN_A_ROW = 100;

let inARow = 0;

/** Call it after each. */
export function takesTurn(): Promise<void> | undefined {
  if (++inARow <= MAX_IN_A_ROW) return undefined;
  inARow = 0;
  return nextTurn();
}
