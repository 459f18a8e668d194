// The documents, held to the sources: the paths that they name, and the drawing of the layers.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

type Layers = Record<string, { imports: readonly string[] }>;

function documents(): string[] {
  const inDocs = readdirSync(`${ROOT}docs`).map((name) => `docs/${name}`);
  return ['README.md', 'CONTRIBUTING.md', ...inDocs.filter((name) => name.endsWith('.md'))];
}

for (const document of documents()) {
  test(`${document} names paths that there are`, () => {
    const text = readFileSync(ROOT + document, 'utf8');
    const paths = text.match(/(?<![\w./-])(?:lib|native|test|bench|examples|scripts)\/[\w./-]*\w/g);
    assert.deepEqual(
      (paths ?? []).filter((path) => !existsSync(ROOT + path)),
      [],
    );
  });
}

/** All that is below a layer, at any distance. */
function below(layers: Layers, name: string): Set<string> {
  const found = new Set<string>();
  for (const each of layers[name]!.imports) {
    found.add(each);
    for (const further of below(layers, each)) found.add(further);
  }
  return found;
}

/** The arrows from which all the others follow. */
function arrows(layers: Layers): string[] {
  return Object.entries(layers).flatMap(([name, { imports }]) =>
    imports
      .filter((one) => !imports.some((other) => below(layers, other).has(one)))
      .map((each) => `${name} --> ${each}`),
  );
}

test('the drawing of the layers is the table that the linter keeps', async () => {
  const { LAYERS } = (await import(`${ROOT}oxlint.config.mjs`)) as { LAYERS: Layers };
  const text = readFileSync(`${ROOT}docs/architecture.md`, 'utf8');
  const drawn = /```mermaid\n([^]*?)```/.exec(text)![1]!.match(/\S+ --> \S+/g)!;
  assert.deepEqual(drawn.toSorted(), arrows(LAYERS).toSorted());
  for (const name of Object.keys(LAYERS))
    assert.match(text, new RegExp(`^\\| \`${name}\` \\|`, 'm'));
});
