// The work that all pools do.

export function square(x: number): number {
  return x * x;
}

export function megabyte(): Uint8Array {
  return new Uint8Array(1_000_000);
}

export function burn(n: number): number {
  let total = 0;
  for (let i = 0; i < n; i++) total += i % 7;
  return total;
}

export type Records = readonly (readonly number[])[];

export function sumOf(records: Records): number {
  let total = 0;
  for (const record of records) for (const value of record) total += value;
  return total;
}

export const functions = { square, megabyte, burn, sumOf };

export type Name = keyof typeof functions;

/** For pools that have one function for each file. */
export default function run({ name, arg }: { name: Name; arg: never }): unknown {
  return functions[name](arg);
}
