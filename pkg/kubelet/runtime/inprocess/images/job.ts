/** `coxswain.dev/job`: prints, waits `SECONDS` (1) and exits with `EXIT_CODE` (0). Arguments: the same two, in this order. */
import { sleep } from '#pkg/base/async.ts';
import type { Program } from '../program.ts';

const exitCodeMax = 255;
/** What programs exit with that do not understand their arguments. */
const usageExitCode = 2;

/** The image's program. */
export const program: Program = {
  async main(context) {
    const seconds = Number(context.args[0] ?? context.env.SECONDS ?? 1);
    const exitCode = Number(context.args[1] ?? context.env.EXIT_CODE ?? 0);
    if (!(seconds >= 0) || !Number.isInteger(exitCode) || exitCode < 0 || exitCode > exitCodeMax) {
      context.error(`job: cannot work with ${JSON.stringify(context.args)}`);
      context.error('Arguments: [seconds (1)] [exit code (0)], or the environment variables SECONDS and EXIT_CODE');
      return usageExitCode;
    }
    context.log(`working for ${seconds} s`);
    if (!(await sleep(context.clock, seconds * 1000, context.signal))) {
      context.error('interrupted');
      return 143;
    }
    context.log(`done, exit code ${exitCode}`);
    return exitCode;
  },
};
