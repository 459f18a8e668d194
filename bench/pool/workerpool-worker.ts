import { worker } from 'workerpool';
import { functions } from './work.js';

worker(functions);
