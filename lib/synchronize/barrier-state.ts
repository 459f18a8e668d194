// The state of a barrier: two words in shared memory, which are changed in one step. The first says
// how many have arrived.

// The second one: whether the round is broken, how the last rounds ended, a bit each, and the
// number of the round.
const IS_BROKEN = 1;
const RESETS_SHIFT = 1;
/** How many rounds it says that of. */
const MAX_RESETS = 8;
const ROUND_SHIFT = RESETS_SHIFT + MAX_RESETS;
const MAX_ROUNDS = 2 ** (32 - ROUND_SHIFT);

export interface State {
  arrived: number;
  isBroken: boolean;
  /** Bit 0: whether the round before ended with a reset; bit 1: the one before that, and so on. */
  resets: number;
  /** How often the barrier has opened or was reset. */
  round: number;
}

export function decode(word: bigint): State {
  const high = Number(word >> 32n);
  return {
    arrived: Number(word & 0xffff_ffffn),
    isBroken: (high & IS_BROKEN) !== 0,
    resets: (high >>> RESETS_SHIFT) % 2 ** MAX_RESETS,
    round: high >>> ROUND_SHIFT,
  };
}

export function encode({ arrived, isBroken, resets, round }: State): bigint {
  const high = round * 2 ** ROUND_SHIFT + resets * 2 ** RESETS_SHIFT + (isBroken ? IS_BROKEN : 0);
  return (BigInt(high) << 32n) | BigInt(arrived);
}

/** The state when a round has ended. */
export function nextRound({ round, resets }: State, isReset: boolean): State {
  return {
    arrived: 0,
    isBroken: false,
    resets: (resets * 2 + (isReset ? 1 : 0)) % 2 ** MAX_RESETS,
    round: (round + 1) % MAX_ROUNDS,
  };
}

/** Whether the round with this number has ended with a reset. */
export function wasReset({ round, resets }: State, ended: number): boolean {
  const ago = (round - ended + MAX_ROUNDS) % MAX_ROUNDS;
  return ago > 0 && ago <= MAX_RESETS && ((resets >>> (ago - 1)) & 1) !== 0;
}
