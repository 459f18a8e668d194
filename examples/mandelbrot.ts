// The Mandelbrot set as a PNG, by all processors.
//
//   node out/examples/mandelbrot.js [file]     the default is mandelbrot.png
//   node out/examples/mandelbrot.js --width 1920 --height 1080 --x=-0.7436 --y 0.1319 --zoom 500
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { encode } from 'fast-png';
import { Pool } from 'truefork';

/** How often to iterate before a point counts as one of the set. */
const LIMIT = 1000;
const CHANNELS = 3;
/** The width of the picture in the plane, at zoom 1. */
const PLANE = 3.5;

interface View {
  width: number;
  height: number;
  x: number;
  y: number;
  zoom: number;
}

/** How many steps it takes until the point is out, with a fraction for smooth colours. */
function escapeTime(cx: number, cy: number): number {
  let x = 0;
  let y = 0;
  for (let n = 0; n < LIMIT; n++) {
    const [xx, yy] = [x * x, y * y];
    if (xx + yy > 256) return n + 1 - Math.log2(Math.log(xx + yy) / 2);
    y = 2 * x * y + cy;
    x = xx - yy + cx;
  }
  return LIMIT;
}

/** From blue to gold and back. */
function colour(time: number): [number, number, number] {
  if (time >= LIMIT) return [0, 0, 0];
  const wave = (phase: number): number => 127.5 * (1 - Math.cos(0.12 * time + phase));
  return [wave(0), wave(0.6), wave(1.8)];
}

function drawRow({ width, height, x, y, zoom }: View, row: number): Uint8Array {
  const pixel = PLANE / zoom / width;
  const pixels = new Uint8Array(width * CHANNELS);
  for (let column = 0; column < width; column++) {
    const time = escapeTime(x + (column - width / 2) * pixel, y + (row - height / 2) * pixel);
    pixels.set(colour(time), column * CHANNELS);
  }
  return pixels;
}

async function draw(view: View): Promise<Uint8Array> {
  const { width, height } = view;
  const picture = new Uint8Array(width * height * CHANNELS);
  await using pool = new Pool();
  const rows = Array.from({ length: height }, (_, row) => row);
  // Some rows take a hundred times as long as others: few go in a task.
  const options = { chunksize: 4, progress: process.stderr.isTTY };
  let row = 0;
  for await (const pixels of pool.imap((n) => drawRow(view, n), rows, options)) {
    picture.set(pixels, row++ * width * CHANNELS);
  }
  return picture;
}

const { values, positionals } = parseArgs({
  options: {
    width: { type: 'string', default: '1200' },
    height: { type: 'string', default: '800' },
    x: { type: 'string', default: '-0.75' },
    y: { type: 'string', default: '0' },
    zoom: { type: 'string', default: '1' },
  },
  allowPositionals: true,
});
const [file = 'mandelbrot.png'] = positionals;
const view: View = {
  width: Number(values.width),
  height: Number(values.height),
  x: Number(values.x),
  y: Number(values.y),
  zoom: Number(values.zoom),
};
const start = performance.now();
const data = await draw(view);
const { width, height } = view;
writeFileSync(file, encode({ width, height, data, channels: CHANNELS }));
const seconds = ((performance.now() - start) / 1000).toFixed(2);
console.log(`${file}: ${width} x ${height}, ${seconds} s`);
