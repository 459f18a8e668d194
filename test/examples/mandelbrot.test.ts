import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { decode } from 'fast-png';
import { runToSuccess } from '../support/run-fixture.js';

test('a picture of the Mandelbrot set', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'truefork-mandelbrot-'));
  const file = join(directory, 'small.png');
  const args = ['--width', '70', '--height', '40', file];
  const { stdout, stderr } = await runToSuccess(import.meta.url, '../../examples/mandelbrot.js', {
    args,
  });
  const picture = decode(readFileSync(file));
  rmSync(directory, { recursive: true });
  assert.match(stdout, /small\.png: 70 x 40, \d+\.\d\d s\n$/);
  assert.equal(stderr, '');
  assert.deepEqual([picture.width, picture.height, picture.channels], [70, 40, 3]);
  const pixel = (x: number, y: number): number[] => {
    const at = (y * picture.width + x) * picture.channels;
    return Array.from(picture.data.slice(at, at + picture.channels));
  };
  assert.deepEqual(pixel(35, 20), [0, 0, 0]); // (-0.75, 0) belongs to it
  assert.notDeepEqual(pixel(0, 0), [0, 0, 0]);
  for (let y = 1; y < 40; y++) assert.deepEqual(pixel(20, y), pixel(20, 40 - y)); // it is symmetric
});
