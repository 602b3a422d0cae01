/**
 * A machine whose guest never rests is moved between two hosts over a link, all on virtual time, so the same each time. Run by
 * `npx node manifests/labs/moving.ts MODE [--pause LOOPS] [--bandwidth KB-A-SECOND] [--throttle true|false] [--compress true|false] [--dies source|target --at MS]` in a checkout.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import type { MigrationMode } from '#pkg/vmm/migration/contract.ts';
import { difference, type Fault, twinOf } from '#pkg/vmm/migration/test-rig.ts';
import { moved } from './moved.ts';

const modes: readonly MigrationMode[] = ['pre-copy', 'post-copy', 'hybrid', 'suspend', 'cold'];
const deaths: readonly Fault['kind'][] = ['source-dies', 'target-dies'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pause: { type: 'string', default: '400' },
    bandwidth: { type: 'string', default: '4000' },
    throttle: { type: 'string', default: 'true' },
    compress: { type: 'string', default: 'false' },
    dies: { type: 'string', default: 'no' },
    at: { type: 'string', default: '0' },
  },
});
const mode = modes.find((each) => each === positionals[0]);
if (mode === undefined) throw new Error(`say one of the modes ${modes.join(', ')}`);
const death = deaths.find((kind) => kind === `${values.dies}-dies`);
const faults = death === undefined ? [] : [{ atMs: Number(values.at), kind: death }];

const { hosts, source, config } = moved({
  ...{ mode, pause: Number(values.pause), bandwidth: Number(values.bandwidth) * 1000 },
  ...{ throttle: values.throttle === 'true', compress: values.compress === 'true', faults },
});

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const { rounds, faults: touched, pushed, prePaged, sentBytes } = source.figures;
for (const { round, pages, dirtied } of rounds)
  if (pages > 0) say(`round ${round}: ${pages} pages sent, ${dirtied} written meanwhile`);
if (touched + pushed + prePaged > 0)
  say(`pages after the handover: ${touched} asked for by the guest, ${prePaged} near those, ${pushed} pushed`);
say(`sent: ${Math.round(sentBytes / 1024)} KiB`);
const { downtimeMs } = source.figures;
if (downtimeMs !== undefined) say(`it stood still for ${downtimeMs.toFixed(0)} ms`);
for (const { side, outcome = 'dead', reason } of [hosts.source, hosts.target])
  say(`${side}: ${outcome}${reason === '' ? '' : ` (${reason})`}`);
const [running] = hosts.running;
if (running?.machine === undefined) say('no machine runs');
else if (mode === 'cold') say(`the machine boots at the ${running.side}`);
else {
  const { machine } = running;
  const isSame = difference(machine, twinOf(config, machine.counters.instructions)) === undefined;
  say(`the machine runs at the ${running.side}: its memory is ${isSame ? '' : 'not '}that of one that never moved`);
}
