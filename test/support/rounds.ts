// How often that is repeated whose outcome is a matter of chance.

const SHARE = Number(process.env['TRUEFORK_ROUNDS'] ?? 1);

/** This many times, or the share of that which TRUEFORK_ROUNDS says. */
export function rounds(count: number): number {
  return Math.ceil(count * SHARE);
}
