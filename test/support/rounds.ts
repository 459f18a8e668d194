// How often that is repeated whose outcome is a matter of chance.

const SHARE = Number(process.env['TRUEFORK_ROUNDS'] ?? 1);

/** So many times, or the share of that which TRUEFORK_ROUNDS says. */
export function rounds(count: number): number {
  return Math.ceil(count * SHARE);
}

/** In milliseconds. Half of what a program may take. */
export const TIME_FOR_ROUNDS = 30_000;

/** Numbers `rounds(count)` rounds from 0; a slow machine makes as many as it can in the time there is. */
export function* eachRound(count: number): Generator<number> {
  const end = performance.now() + TIME_FOR_ROUNDS;
  for (let i = 0; i < rounds(count) && performance.now() < end; i++) yield i;
}
