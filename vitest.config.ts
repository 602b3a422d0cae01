import { defineConfig } from 'vitest/config';

const exclude = ['**/node_modules/**'];

/** In a checkout `coxswain/testing` and the like are the sources; in the package they are what was compiled of them. */
const execArgv = ['--conditions=coxswain-source'];

/** Limits against hanging, not measures of speed: a machine may be several times slower than those the suites were written on. */
const patient = (limitMs: number) => ({ testTimeout: limitMs, hookTimeout: limitMs });

/** Three suites: what `npm test` runs, what needs real parts (etcd, kubectl), and upstream's conformance list. */
export default defineConfig({
  test: {
    experimental: { viteModuleRunner: false },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{pkg,cmd}/**/*.test.ts', 'tests/{tidy,integration,bench}/**/*.test.ts'],
          exclude,
          execArgv,
          // Files share their workers: loading the modules anew for each file took three fifths of the suite's processor time.
          isolate: false,
          ...patient(30_000),
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['tests/e2e/**/*.test.ts'],
          exclude,
          ...patient(180_000),
          fileParallelism: false,
        },
      },
      { test: { name: 'conformance', include: ['tests/conformance/**/*.test.ts'], exclude, ...patient(120_000) } },
    ],
  },
});
