// A function that does nothing, for calls and errors that nobody wants to know of.
import { precompileForChildren } from './precompiled.js';

export function ignore(): void {}

precompileForChildren(ignore);
