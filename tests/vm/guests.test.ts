/** The guests that are checked in are what their sources say: built again, they have the same bytes. Needs Debian's compiler for them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const guests = join(import.meta.dirname, '../../pkg/vmm/guests');
/** The compiler that the guests were built with; another makes other bytes. */
const version = '12.2.0';

test('the guests are what their sources say', (context) => {
  const found = spawnSync('riscv64-unknown-elf-gcc', ['--version'], { encoding: 'utf8' }).stdout?.split('\n')[0] ?? '';
  if (!found.includes(version)) {
    console.log(
      `skipped: ${found === '' ? 'there is no riscv64-unknown-elf-gcc' : `the compiler is ${found} and not ${version}`}`,
    );
    context.skip();
  }
  const folder = mkdtempSync(join(tmpdir(), 'guests-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  execFileSync(join(guests, 'build.sh'), [folder], { stdio: 'inherit' });
  const built = readdirSync(guests, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.(elf|image)$/.test(file),
  );
  expect(built.length).toBeGreaterThan(8);
  for (const file of built) {
    expect(readFileSync(join(folder, file)).equals(readFileSync(join(guests, file))), file).toBe(true);
  }
});
