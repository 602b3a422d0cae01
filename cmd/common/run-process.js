/**
 * Runs the main of a component as a process of its own, by its path in the first argument; those after it are the main's. It comes from the bundle
 * where that has it. JavaScript, as Node's tool that takes types out would cost each process 50 ms and 12 MB.
 */
import { basename, dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { keepCompiledCode, loadCode } from './load-code.js';

keepCompiledCode();
// As if it had been started by itself.
const [main = ''] = process.argv.splice(2, 1);
process.argv[1] = main;
await loadCode(basename(dirname(main)), () => import(pathToFileURL(main).href));
