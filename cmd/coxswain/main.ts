/** The `coxswain` command of a checkout, as a program that Node runs directly: `command.ts`, or the bundle that an install made of it. */
import { keepCompiledCode, loadCode } from '#cmd/common/load-code.js';

keepCompiledCode();
await loadCode('command', () => import('./command.ts'));
