// node run-scenario.js <module> <scenario> [arguments]
import { runScenario, type Scenarios } from './scenarios.js';

const [, , path, name] = process.argv;
const { scenarios } = (await import(path!)) as { scenarios: Scenarios };
await runScenario(scenarios, name!);
