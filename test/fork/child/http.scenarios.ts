// HTTP in a child whose parent has used it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { text } from 'node:stream/consumers';
import { until } from '../../support/observe.js';
import type { Scenarios } from '../../support/scenarios.js';
import { parent, serve, started, stop, succeeds } from './support.js';

async function request(url: string, agent?: Agent): Promise<string> {
  const [response] = await once(get(url, { agent }), 'response');
  return text(response);
}

export const scenarios: Scenarios = {
  async 'http: connections that an agent keeps'() {
    const { server, url, connections } = await serve();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    assert.equal(await request(`${url}/1`, agent), `${parent}/1`);
    assert.equal(connections(), 1);
    for (let i = 0; i < 3; i++) {
      await succeeds(async () => {
        assert.equal(await request(`${url}/child`, agent), `${parent}/child`);
        assert.equal(await request(`${url}/child`, agent), `${parent}/child`);
        await succeeds(async () => {
          assert.equal(await request(`${url}/grandchild`, agent), `${parent}/grandchild`);
          agent.destroy();
        });
        agent.destroy();
      });
    }
    // Two connections of each child and its child, and the parent's.
    assert.equal(connections(), 7);
    assert.equal(await request(`${url}/2`, agent), `${parent}/2`);
    assert.equal(connections(), 7);
    agent.destroy();
    stop(server);
  },

  async 'http: a request of the parent that waits for its turn'() {
    const { server, url } = await serve();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const answers = Array.from({ length: 5 }, (_, i) => request(`${url}/${i}`, agent));
    await succeeds(async () => {
      assert.equal(await request(`${url}/child`, agent), `${parent}/child`);
      agent.destroy();
    });
    assert.deepEqual(
      await Promise.all(answers),
      answers.map((_, i) => `${parent}/${i}`),
    );
    agent.destroy();
    stop(server);
  },

  async 'http: the global agent and fetch()'() {
    const { server, url, connections } = await serve();
    const ask = async (path: string): Promise<void> => {
      assert.equal(await request(`${url}/${path}`), `${parent}/${path}`);
      assert.equal(await (await fetch(`${url}/${path}`)).text(), `${parent}/${path}`);
    };
    await ask('before');
    const unfinished = fetch(`${url}/unfinished`);
    for (let i = 0; i < 3; i++) {
      await succeeds(async () => {
        await ask('child');
        await Promise.all([ask('a'), ask('b'), ask('c')]);
        process.exit();
      });
    }
    assert.equal(await (await unfinished).text(), `${parent}/unfinished`);
    const before = connections();
    await ask('after');
    assert.equal(connections(), before);
    stop(server);
  },

  async 'http: the Date header goes on in the child'() {
    const { server, url } = await serve();
    const dateOf = async (address: string): Promise<string> =>
      (await fetch(address)).headers.get('date')!;
    const parentsDate = await dateOf(url);
    const child = started(async () => {
      await until(() => Date.now() > Date.parse(parentsDate) + 2000);
      const own = await serve();
      assert.notEqual(await dateOf(own.url), parentsDate);
      stop(own.server);
      process.exit();
    });
    assert.equal(await child.join(), 0);
    assert.notEqual(await dateOf(url), parentsDate);
    stop(server);
  },
};
