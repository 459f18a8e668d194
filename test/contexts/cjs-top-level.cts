const { finish, forkNow } = require('./harness.js') as typeof import(
  './harness.js',
  { with: { 'resolution-mode': 'import' } }
);

forkNow();
void finish();
