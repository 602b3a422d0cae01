import { defineConfig } from 'vitest/config';

const exclude = ['**/node_modules/**'];

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
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['tests/e2e/**/*.test.ts'],
          exclude,
          testTimeout: 120_000,
          fileParallelism: false,
        },
      },
      { test: { name: 'conformance', include: ['tests/conformance/**/*.test.ts'], exclude, testTimeout: 120_000 } },
    ],
  },
});
