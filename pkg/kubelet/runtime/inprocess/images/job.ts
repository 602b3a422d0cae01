/** `coxswain.dev/job`: prints, waits `SECONDS` (1) and exits with `EXIT_CODE` (0). Arguments: the same two, in this order. */
import { sleep } from '#pkg/base/async.ts';
import type { Program } from '../program.ts';

export const program: Program = {
  async main(context) {
    const seconds = Number(context.args[0] ?? context.env.SECONDS ?? 1);
    const exitCode = Number(context.args[1] ?? context.env.EXIT_CODE ?? 0);
    context.log(`working for ${seconds} s`);
    if (!(await sleep(context.clock, seconds * 1000, context.signal))) {
      context.error('interrupted');
      return 143;
    }
    context.log(`done, exit code ${exitCode}`);
    return exitCode;
  },
};
