// How operations are called that are no methods: reading and writing a property, and beginning to
// iterate.
export const GET = '.';
export const SET = '=';
export const ITERATE = '@@iterator';
