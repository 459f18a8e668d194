// dist/ is one module for each of the package's two doors, and one for what they share: to
// load 160 modules takes Node three times as long.
export default {
  input: ['out/lib/index.js', 'out/lib/posix.js'],
  external: /^node:/,
  // All of it is used. What looks as if it were not is there for what it does.
  treeshake: false,
  output: { dir: 'dist', chunkFileNames: 'shared.js' },
};
