import { defineConfig } from 'vitest/config';

const exclude = ['**/node_modules/**'];

/** In a checkout `coxswain/testing` and the like are the sources; in the package they are what was compiled of them. */
const execArgv = ['--conditions=coxswain-source'];

/** Limits against hanging, not measures of speed: a machine may be several times slower than those the suites were written on. */
const patient = (limitMs: number) => ({
  testTimeout: limitMs,
  hookTimeout: limitMs,
  // Half, so that a test says what it has seen last before it is ended itself.
  expect: { poll: { timeout: limitMs / 2 } },
});

/** A suite of real processes: its files run one after another, as each of them takes the machine as if it were its own. */
const processes = (name: string) => ({
  test: { name, include: [`tests/${name}/**/*.test.ts`], exclude, ...patient(180_000), fileParallelism: false },
});

/**
 * What `npm test` runs; what real clients do with a cluster (e2e), what becomes of one whose members die (ha), what a container engine is needed for
 * (containers), what the kernel does with networks (network), virtual machines (vm), the pages of the course and the labs (course), the long forms of such (long), and upstream's conformance list.
 */
export default defineConfig({
  test: {
    experimental: { viteModuleRunner: false },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{pkg,cmd}/**/*.test.ts', 'tests/{tidy,integration,bench,history}/**/*.test.ts'],
          exclude,
          execArgv,
          // Files share their workers: loading the modules anew for each file took three fifths of the suite's processor time.
          isolate: false,
          ...patient(120_000),
        },
      },
      processes('e2e'),
      processes('ha'),
      processes('containers'),
      processes('network'),
      processes('vm'),
      { test: { ...processes('course').test, maxConcurrency: 2 } },
      processes('long'),
      processes('dashboard'),
      { test: { name: 'conformance', include: ['tests/conformance/**/*.test.ts'], exclude, ...patient(120_000) } },
    ],
  },
});
