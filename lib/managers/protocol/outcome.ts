/** The outcome of an attempt to acquire something. */
export const Outcome = { timedOut: 0, acquired: 1, recovered: 2 } as const;
